#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "common/base/file_system.h"
#include "common/base/random.h"
#include "common/base/time.h"
#include "common/loop/asio_loop.h"
#include "kube/kube_api.h"

namespace slicelet::kube {

/// A directory of manifests in the place of an API server (see `ManifestDirectory`). Nodes, leases, statuses
/// and events live in memory and end with the process. There are no users and no service account tokens.
class DirectoryKube {
 public:
  struct Options {
    std::string path;
    /// Of this process life (`NextIncarnation`). Resource versions begin above those of all former lives, so
    /// that a restart does not look like a cluster that went back in time.
    std::uint64_t incarnation = 1;
  };

  virtual ~DirectoryKube() = default;
  /// FailedPrecondition when the directory has no marker.
  virtual absl::Status Start() = 0;
  /// Something in the directory may have changed. Real directories tell by themselves.
  virtual void Rescan() = 0;
  /// Lives as long as this object.
  virtual KubeApi& api() = 0;
};

/// All must outlive it. `loop` may be any; use `WatchDirectory` for notifications.
std::unique_ptr<DirectoryKube> MakeDirectoryKube(DirectoryKube::Options options, Loop& loop,
                                                 const Clock& clock, Random& random, FileSystem& files);

/// Calls back, on the loop, at every change in a real directory (inotify); changes within 10 ms are one. Ends
/// when the result is destroyed. Where the directory is replaced or unmounted, it does not notice: rescans
/// do.
class DirectoryNotifier {
 public:
  virtual ~DirectoryNotifier() = default;
};
absl::StatusOr<std::unique_ptr<DirectoryNotifier>> WatchDirectory(AsioLoop& loop, const std::string& path,
                                                                  std::function<void()> on_change);

}  // namespace slicelet::kube
