#include "common/tls/expiry.h"

#include <cstdint>

#include "common/log/log.h"
#include "common/tls/pki.h"

namespace slicelet {
namespace {

constexpr std::uint64_t kMaxPemFile = std::uint64_t{1} << 20;

}  // namespace

std::optional<WallTime> CertificateEnd(const std::string& file, FileSystem& files) {
  const auto pem = files.Read(file, kMaxPemFile);
  if (!pem.ok()) return std::nullopt;
  const auto info = ReadCertificate(*pem);
  if (!info.ok()) return std::nullopt;
  return info->not_after;
}

void WarnIfCertificateEnds(const std::string& pem, const std::string& what, const std::string& remedy,
                           WallTime now) {
  const auto info = ReadCertificate(pem);
  if (!info.ok() || info->not_after > now + kCertificateEndsSoon) return;
  LogWarning(info->not_after <= now ? "certificate has ended" : "certificate ends soon",
             {{"file", what}, {"end", FormatTime(info->not_after)}, {"remedy", remedy}});
}

void WarnIfCertificateFileEnds(const std::string& file, const std::string& remedy, FileSystem& files,
                               WallTime now) {
  const auto pem = files.Read(file, kMaxPemFile);
  if (pem.ok()) WarnIfCertificateEnds(*pem, file, remedy, now);
}

}  // namespace slicelet
