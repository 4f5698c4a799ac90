#include "provider/enrol/hub_renewal.h"

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>

#include "common/json/json.h"
#include "common/mqtt/mosquitto_files.h"
#include "common/tls/pki.h"
#include "common/tls/revocation.h"
#include "provider/enrol/authority.h"
#include "provider/enrol/hub_directory.h"

namespace slicelet::provider {
namespace {

constexpr std::uint64_t kMaxFile = std::uint64_t{1024} * 1024;
constexpr std::uint32_t kSecret = 0600;
constexpr std::uint32_t kPublic = 0644;
/// Who renews a hub's certificates is told of the hosts that are next.
constexpr Duration kHostsAhead = std::chrono::hours(24 * 183);
constexpr char kHostRecord[] = ".crt";

/// Pairs of the hub, without ".crt" and ".key".
std::vector<std::string> PairsOf(const Json& hub) {
  std::vector<std::string> pairs = {"provider", "shim", "operator"};
  if (hub.contains("mqttEndpoint")) pairs.insert(pairs.end(), {"mqtt", "mosquitto/mqtt-broker"});
  return pairs;
}

absl::Status Foreign(const std::string& what, const absl::Status& why) {
  return absl::FailedPreconditionError(what + " is not this hub's (" + Message(why) +
                                       "): nothing was renewed. Put the hub's own there, or move this one "
                                       "away if somebody else renews it");
}

struct Renewal {
  std::string file;
  std::string pem;
};

/// The new certificate of one pair; NotFound when there is none.
absl::StatusOr<std::string> RenewPair(const std::string& path, const HubAuthority& authority,
                                      FileSystem& files, WallTime now) {
  SLICELET_ASSIGN_OR_RETURN(const std::string former, files.Read(path + ".crt", kMaxFile));
  auto renewed = RenewCertificate(authority.pem, former, now, authority.Within(now, kCertificateValidity));
  if (!renewed.ok()) return Foreign(path + ".crt", renewed.status());
  const auto key = files.Read(path + ".key", kMaxFile);
  // It may be where it is used, and only there.
  if (absl::IsNotFound(key.status())) return renewed;
  SLICELET_RETURN_IF_ERROR(key.status());
  if (const auto status = CheckKeyOfCertificate(*renewed, *key); !status.ok())
    return Foreign(path + ".key", status);
  return renewed;
}

/// The last certificate of a text that may hold many.
std::string LastOf(const std::string& pem) {
  const std::size_t at = pem.rfind("-----BEGIN CERTIFICATE-----");
  return at == std::string::npos ? std::string() : pem.substr(at);
}

std::vector<std::pair<std::string, WallTime>> HostsThatEnd(const std::string& directory, FileSystem& files,
                                                           WallTime before) {
  std::vector<std::pair<std::string, WallTime>> hosts;
  const std::string records = directory + "/hosts/";
  for (const std::string& name : files.List(directory + "/hosts").value_or(std::vector<std::string>())) {
    const std::size_t size = name.size() - std::min(name.size(), sizeof(kHostRecord) - 1);
    if (name.compare(size, std::string::npos, kHostRecord) != 0) continue;
    const auto pem = files.Read(records + name, kMaxFile);
    const auto info = ReadCertificate(LastOf(pem.value_or("")));
    if (info.ok() && info->not_after < before) hosts.emplace_back(name.substr(0, size), info->not_after);
  }
  std::stable_sort(hosts.begin(), hosts.end(),
                   [](const auto& a, const auto& b) { return a.second < b.second; });
  return hosts;
}

absl::StatusOr<Json> ReadObject(const std::string& path, FileSystem& files) {
  SLICELET_ASSIGN_OR_RETURN(const std::string text, files.Read(path, kMaxFile));
  Json json = ParseJson(text).value_or(Json());
  if (!json.is_object()) return absl::DataLossError(path + " is damaged: it is not a JSON object");
  return json;
}

std::string TextOf(const Json& json, const char* field) {
  const auto it = json.find(field);
  return it != json.end() && it->is_string() ? it->get<std::string>() : std::string();
}

absl::Status CheckHostIsNotRevoked(const std::string& directory, const std::string& host,
                                   const std::string& certificate, FileSystem& files) {
  const std::string path = directory + "/mosquitto/" + kRevocationListFile;
  const auto list = files.Read(path, kMaxFile);
  if (absl::IsNotFound(list.status())) return absl::OkStatus();
  SLICELET_RETURN_IF_ERROR(list.status());
  const auto revoked = IsRevoked(*list, certificate);
  if (!revoked.ok()) return WithContext(revoked.status(), path);
  if (!*revoked) return absl::OkStatus();
  // Whoever stole its key could use the new certificate as well: certificates are no secrets.
  return absl::FailedPreconditionError("host " + host +
                                       " was revoked, and its key with it: add its replacement under another "
                                       "name");
}

}  // namespace

absl::StatusOr<RenewedHub> RenewHub(const std::string& directory, FileSystem& files, WallTime now) {
  SLICELET_ASSIGN_OR_RETURN(const HubAuthority authority, ReadHubAuthority(directory, files, now));
  SLICELET_ASSIGN_OR_RETURN(const Json hub, ReadObject(directory + "/hub.json", files));
  RenewedHub result;
  std::vector<Renewal> all;
  const std::string inside = directory + "/";
  for (const std::string& pair : PairsOf(hub)) {
    const auto pem = RenewPair(inside + pair, authority, files, now);
    if (absl::IsNotFound(pem.status())) {
      result.missing.push_back(pair + ".crt");
      continue;
    }
    SLICELET_RETURN_IF_ERROR(pem.status());
    all.push_back({pair + ".crt", *pem});
  }
  if (all.empty()) {
    return absl::NotFoundError("none of the hub's certificates is in " + directory +
                               ": copy those that are elsewhere here first");
  }
  // The keys stay. Key and certificate are two files, and there is no way to replace both at once: with
  // another key, a reader in between, or a crash, would find a pair that does not fit. Besides, key files
  // keep the owner that somebody gave them, such as mosquitto's.
  for (const Renewal& one : all) {
    SLICELET_RETURN_IF_ERROR(files.WriteAtomically(inside + one.file, one.pem, kPublic));
    result.renewed.push_back(one.file);
  }
  const Duration validity = authority.Within(now, kCertificateValidity);
  result.not_after = now + validity;
  result.until_authority_ends = validity < kCertificateValidity;
  result.hosts = HostsThatEnd(directory, files, now + kHostsAhead);
  return result;
}

absl::StatusOr<RenewedHost> RenewHost(const std::string& directory, const std::string& host,
                                      FileSystem& files, WallTime now) {
  SLICELET_RETURN_IF_ERROR(CheckDnsLabel("host", host));
  SLICELET_ASSIGN_OR_RETURN(const HubAuthority authority, ReadHubAuthority(directory, files, now));
  SLICELET_ASSIGN_OR_RETURN(const Json hub, ReadObject(directory + "/hub.json", files));
  RenewedHost result;
  result.credentials_path = directory + "/hosts/" + host + ".slicelet";
  auto credentials = ReadObject(result.credentials_path, files);
  if (absl::IsNotFound(credentials.status())) {
    return absl::NotFoundError(
        result.credentials_path + " is not here: copy the host's " +
        "/etc/slicelet/host.json to it first. If that is lost too, 'slicectl host add " + host +
        "' without --renew gives the host new keys");
  }
  SLICELET_RETURN_IF_ERROR(credentials.status());
  const std::string owner = TextOf(*credentials, "host");
  const std::string owner_hub = TextOf(*credentials, "hub");
  if (owner != host || owner_hub != TextOf(hub, "hub")) {
    return absl::FailedPreconditionError(result.credentials_path + " is of host \"" + owner + "\" of hub \"" +
                                         owner_hub + "\": put that of host " + host + " of this hub there");
  }
  const std::string former = TextOf(*credentials, "certificate");
  const auto renewed =
      RenewCertificate(authority.pem, former, now, authority.Within(now, kCertificateValidity));
  if (!renewed.ok()) return Foreign("the certificate in " + result.credentials_path, renewed.status());
  if (const auto pair = CheckKeyOfCertificate(*renewed, TextOf(*credentials, "key")); !pair.ok())
    return Foreign("the key in " + result.credentials_path, pair);
  SLICELET_RETURN_IF_ERROR(CheckHostIsNotRevoked(directory, host, former, files));
  // Before anybody can hold it. A host that was added before there were records begins one with both.
  const std::string record = directory + "/hosts/" + host + kHostRecord;
  const auto known = files.Read(record, kMaxFile);
  if (!known.ok() && !absl::IsNotFound(known.status())) return known.status();
  SLICELET_RETURN_IF_ERROR(files.WriteAtomically(record, known.value_or(former) + *renewed, kPublic));
  (*credentials)["certificate"] = *renewed;
  SLICELET_RETURN_IF_ERROR(
      files.WriteAtomically(result.credentials_path, credentials->dump(2) + "\n", kSecret));
  result.not_after = now + authority.Within(now, kCertificateValidity);
  return result;
}

}  // namespace slicelet::provider
