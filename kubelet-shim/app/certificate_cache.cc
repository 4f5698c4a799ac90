#include "kubelet-shim/app/certificate_cache.h"

#include <nlohmann/json.hpp>

#include "common/json/json.h"
#include "common/log/log.h"

namespace slicelet::shim {
namespace {

constexpr std::uint64_t kMaxFile = std::uint64_t{256} * 1'024;
/// What the cluster calls a node's certificates.
constexpr char kNodeUser[] = "system:node:";

}  // namespace

std::optional<CertificateAndKey> CertificateCache::Load(const std::string& node, Use use) const {
  const auto text = files_.Read(PathOf(node, use), kMaxFile);
  if (!text.ok()) return std::nullopt;
  const auto json = ParseJson(*text);
  if (!json.ok()) return std::nullopt;
  CertificateAndKey pair{GetString(*json, "/certificate"), GetString(*json, "/key")};
  const auto info = ReadCertificate(pair.certificate_pem);
  if (!info.ok() || pair.key_pem.empty() || info->common_name != kNodeUser + node) return std::nullopt;
  if (info->not_after < clock_.Now() + kLeastValidity) return std::nullopt;
  return pair;
}

void CertificateCache::Store(const std::string& node, Use use, const CertificateAndKey& certificate) {
  auto status = files_.MakeDirectories(directory_, 0700);
  if (status.ok()) {
    status = files_.WriteAtomically(
        PathOf(node, use),
        DumpJson({{"certificate", certificate.certificate_pem}, {"key", certificate.key_pem}}), 0600);
  }
  if (!status.ok()) LogWarning("cannot keep a certificate", {{"node", node}, {"why", Message(status)}});
}

void CertificateCache::Remove(const std::string& node) {
  for (const auto use : {Use::kClient, Use::kServing}) {
    if (const auto status = files_.RemoveAll(PathOf(node, use)); !status.ok()) {
      LogWarning("cannot remove a certificate", {{"node", node}, {"why", Message(status)}});
    }
  }
}

std::string CertificateCache::PathOf(const std::string& node, Use use) const {
  return directory_ + "/" + node + (use == Use::kClient ? "-client.json" : "-serving.json");
}

}  // namespace slicelet::shim
