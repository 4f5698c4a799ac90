#include "provider/enrol/hub_revocation.h"

#include <cstdint>
#include <nlohmann/json.hpp>

#include "common/json/json.h"
#include "common/mqtt/mosquitto_files.h"
#include "common/tls/revocation.h"
#include "provider/enrol/authority.h"
#include "provider/enrol/hub_directory.h"

namespace slicelet::provider {
namespace {

constexpr std::uint64_t kMaxFile = std::uint64_t{1024} * 1024;
constexpr std::uint32_t kPublic = 0644;

/// Of a host that was added before they were recorded, the one in its credentials.
absl::StatusOr<std::string> CertificatesOf(const std::string& directory, const std::string& host,
                                           FileSystem& files) {
  const std::string path = directory + "/hosts/" + host;
  auto recorded = files.Read(path + ".crt", kMaxFile);
  if (recorded.ok() || !absl::IsNotFound(recorded.status())) return recorded;
  const auto credentials = files.Read(path + ".slicelet", kMaxFile);
  if (absl::IsNotFound(credentials.status())) {
    return absl::NotFoundError("nothing is known of host " + host + ": neither " + path + ".crt nor " + path +
                               ".slicelet exists; put its certificate into the first");
  }
  SLICELET_RETURN_IF_ERROR(credentials.status());
  const Json json = ParseJson(*credentials).value_or(Json());
  if (!json.is_object() || !json.contains("certificate") || !json["certificate"].is_string())
    return absl::DataLossError(path + ".slicelet is damaged: it must hold \"certificate\"");
  return json["certificate"].get<std::string>();
}

int CountOf(const std::string& pem) {
  int count = 0;
  constexpr char kBegin[] = "-----BEGIN CERTIFICATE-----";
  for (std::size_t at = pem.find(kBegin); at != std::string::npos; at = pem.find(kBegin, at + 1)) ++count;
  return count;
}

}  // namespace

absl::StatusOr<RevokedHost> RevokeHost(const std::string& directory, const std::string& host,
                                       FileSystem& files, WallTime now) {
  SLICELET_RETURN_IF_ERROR(CheckDnsLabel("host", host));
  const auto read = [&](const std::string& name) { return files.Read(directory + "/" + name, kMaxFile); };
  if (!files.Stat(directory + "/hub.json").ok()) return NoHubIn(directory);
  const auto configuration = read("mosquitto/mosquitto.conf");
  if (absl::IsNotFound(configuration.status())) {
    return absl::FailedPreconditionError(
        "the hub in " + directory +
        " has no MQTT broker that could refuse a host; its provider refuses one whose EdgeHost says "
        "spec.revoked");
  }
  SLICELET_RETURN_IF_ERROR(configuration.status());
  SLICELET_ASSIGN_OR_RETURN(const std::string certificates, CertificatesOf(directory, host, files));
  RevokedHost revoked;
  revoked.certificates = CountOf(certificates);
  if (revoked.certificates == 0)
    return absl::DataLossError(directory + "/hosts/" + host + ".crt holds no certificate");
  CertificateAndKey authority;
  SLICELET_ASSIGN_OR_RETURN(authority.certificate_pem, read("ca.crt"));
  SLICELET_ASSIGN_OR_RETURN(authority.key_pem, read("ca.key"));
  revoked.list_path = directory + "/mosquitto/" + kRevocationListFile;
  const auto former = files.Read(revoked.list_path, kMaxFile);
  if (!former.ok() && !absl::IsNotFound(former.status())) return former.status();
  const auto list = MakeRevocationList(authority, former.value_or(""), certificates, now);
  // What was revoked must not come back because nobody could read it.
  if (!list.ok()) return WithContext(list.status(), revoked.list_path);
  SLICELET_RETURN_IF_ERROR(files.WriteAtomically(revoked.list_path, *list, kPublic));
  if (configuration->find("\ncrlfile ") == std::string::npos)
    revoked.missing_line = "crlfile " + revoked.list_path;
  return revoked;
}

}  // namespace slicelet::provider
