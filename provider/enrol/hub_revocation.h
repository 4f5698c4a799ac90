#pragma once

#include <string>

#include "common/base/file_system.h"
#include "common/base/status.h"
#include "common/base/time.h"

namespace slicelet::provider {

struct RevokedHost {
  /// The list, for the broker.
  std::string list_path;
  /// How many certificates the host was given; all of them are on the list now.
  int certificates = 0;
  /// What the broker's configuration lacks, because it was made before there were lists; empty: nothing.
  std::string missing_line;
};

/// Puts the certificates that `host` was given so far on the list of those that the hub's MQTT broker refuses
/// (DIR/mosquitto/revoked.crl). Again it changes nothing; a certificate that the host is given later is not
/// on it. NotFound when `directory` holds no hub, or nothing of that host; FailedPrecondition when the hub
/// has no broker.
absl::StatusOr<RevokedHost> RevokeHost(const std::string& directory, const std::string& host,
                                       FileSystem& files, WallTime now);

}  // namespace slicelet::provider
