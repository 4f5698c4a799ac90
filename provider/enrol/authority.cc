#include "provider/enrol/authority.h"

#include <algorithm>

namespace slicelet::provider {
namespace {

constexpr std::uint64_t kMaxFile = std::uint64_t{1024} * 1024;

}  // namespace

absl::Status NoHubIn(const std::string& directory) {
  return absl::NotFoundError(directory + " holds no hub: make one with 'slicectl hub init --dir " +
                             directory + "'");
}

Duration HubAuthority::Within(WallTime now, Duration wanted) const {
  return std::min(wanted, not_after - now);
}

absl::StatusOr<HubAuthority> ReadHubAuthority(const std::string& directory, FileSystem& files, WallTime now) {
  if (!files.Stat(directory + "/hub.json").ok()) return NoHubIn(directory);
  HubAuthority authority;
  SLICELET_ASSIGN_OR_RETURN(authority.pem.certificate_pem, files.Read(directory + "/ca.crt", kMaxFile));
  const std::string key_file = directory + "/ca.key";
  auto key = files.Read(key_file, kMaxFile);
  if (absl::IsNotFound(key.status())) {
    return absl::FailedPreconditionError(
        key_file +
        " is not here, and no certificate can be issued without it: if it is "
        "kept elsewhere, copy it here for as long as it is needed");
  }
  if (!key.ok()) return key.status();
  authority.pem.key_pem = *std::move(key);
  const auto info = ReadCertificate(authority.pem.certificate_pem);
  if (!info.ok()) return WithContext(info.status(), directory + "/ca.crt");
  if (const auto pair = CheckKeyOfCertificate(authority.pem.certificate_pem, authority.pem.key_pem);
      !pair.ok()) {
    return absl::FailedPreconditionError(key_file + " is not the key of " + directory +
                                         "/ca.crt: it is damaged or another hub's (" + Message(pair) + ")");
  }
  authority.not_after = info->not_after;
  // What a clock that is wrong issues would end before what it replaces.
  if (now < info->not_before) {
    return absl::FailedPreconditionError("by this machine's clock it is " + FormatTime(now) + ", and " +
                                         directory + "/ca.crt begins at " + FormatTime(info->not_before) +
                                         ": set the clock");
  }
  if (authority.not_after <= now) {
    return absl::FailedPreconditionError("the authority " + directory + "/ca.crt has ended at " +
                                         FormatTime(authority.not_after) +
                                         ": nothing that it issues is accepted any more. Make a new hub, or "
                                         "look at this machine's clock");
  }
  return authority;
}

}  // namespace slicelet::provider
