#pragma once

#include <string>

#include "common/base/file_system.h"
#include "common/base/status.h"
#include "common/base/time.h"
#include "common/tls/pki.h"

namespace slicelet::provider {

/// What a certificate that is issued from now on is good for.
inline constexpr Duration kCertificateValidity = std::chrono::hours(24 * 825);

/// What is said of a directory without hub.json.
absl::Status NoHubIn(const std::string& directory);

/// A hub's authority, with what it takes to issue in its name.
struct HubAuthority {
  CertificateAndKey pem;
  WallTime not_after;

  /// `wanted`, or what is left of the authority: nobody accepts a certificate once its authority has ended.
  [[nodiscard]] Duration Within(WallTime now, Duration wanted) const;
};

/// Reads ca.crt and ca.key of a hub's directory. NotFound when it holds no hub; FailedPrecondition, with what
/// can be done, when its key is not there or another authority's, or the authority has ended or not begun.
absl::StatusOr<HubAuthority> ReadHubAuthority(const std::string& directory, FileSystem& files, WallTime now);

}  // namespace slicelet::provider
