#pragma once

#include <string>
#include <utility>
#include <vector>

#include "common/base/file_system.h"
#include "common/base/status.h"
#include "common/base/time.h"

namespace slicelet::provider {

struct RenewedHub {
  /// Files of the directory, such as "provider.crt".
  std::vector<std::string> renewed;
  /// Those that the hub has and that are not here, because somebody moved them away.
  std::vector<std::string> missing;
  /// When the renewed ones end.
  WallTime not_after;
  /// The authority ends then too, before a new certificate would.
  bool until_authority_ends = false;
  /// Hosts whose newest certificate ends within half a year, with its end; the soonest first.
  std::vector<std::pair<std::string, WallTime>> hosts;
};

/// Issues every certificate of the hub's own anew: of provider, shim, operator and, where there is a broker,
/// of the hub at it and of the broker. Keys, names and uses are those of the present ones, whether these have
/// ended or not; hosts' are not touched. All are looked at before the first is written: FailedPrecondition,
/// with the file, for one that this hub has not issued or whose key is another's. What is interrupted, or run
/// again, leaves pairs that work.
absl::StatusOr<RenewedHub> RenewHub(const std::string& directory, FileSystem& files, WallTime now);

struct RenewedHost {
  /// The file to copy to the host.
  std::string credentials_path;
  WallTime not_after;
};

/// Writes DIR/hosts/NAME.slicelet with a new certificate, and everything else as it was: the host stays who
/// it is, with the keys that its store and its secrets belong to. NotFound, with what to do, when the file is
/// not here; FailedPrecondition when it is another host's or hub's, or the host was revoked.
absl::StatusOr<RenewedHost> RenewHost(const std::string& directory, const std::string& host,
                                      FileSystem& files, WallTime now);

}  // namespace slicelet::provider
