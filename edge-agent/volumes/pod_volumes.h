#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/base/file_system.h"
#include "common/base/ids.h"
#include "edge-agent/volumes/downward.h"
#include "slicelet/v1/workload.pb.h"

namespace slicelet::agent {

/// Everything of one pod that lies in the host's file system and is mounted into its containers.
///
///     ROOT/volatile/UID/VOLUME          projected volumes: on tmpfs, so that no secret ever reaches a disk
///     ROOT/pods/UID/volumes/VOLUME      emptyDir (medium Memory: a tmpfs of its own)
///     ROOT/pods/UID/run                 what containers may write to that the agent gives them: a small
///     tmpfs of
///                                       the pod's own, so that one that fills it troubles no other pod
///     ROOT/pods/UID/run/etc-hosts       mounted at /etc/hosts
///     ROOT/pods/UID/run/termination/NAME/N   termination message of attempt N
///
/// After a reboot the tmpfs are empty and `Prepare` writes them again. All calls are idempotent.
class PodVolumes {
 public:
  /// Where the content of projections comes from.
  struct Sources {
    /// The opened content behind "configmap/NAME" or "secret/NAME". NotFound when the pod has none under that
    /// id.
    std::function<absl::StatusOr<v1::FileSet>(const std::string& content_id)> content;
    /// A service account token. NotFound until it has arrived.
    std::function<absl::StatusOr<std::string>(const std::string& name)> token;
    HostFacts facts;
    /// A hostPath must lie at or below one of these, links followed.
    std::vector<std::string> host_path_prefixes;
  };

  /// Makes the shared tmpfs. Call once per process before anything else. Where it fails, projected volumes
  /// are refused until it works: nothing that may be secret is written to a disk.
  static absl::Status MountRoots(FileSystem& files, const std::string& root);

  PodVolumes(FileSystem& files, std::string root, PodUid uid);

  /// Makes every volume, or brings its content up to date. The message of a failure names the volume.
  absl::Status Prepare(const v1::Workload& workload, const Sources& sources);
  /// New content of projections; containers that run see it at once.
  absl::Status Refresh(const v1::Workload& workload, const Sources& sources);

  /// The host path to mount for `mount`, whose subPath was expanded to `sub_path`; links are followed here,
  /// not by the runtime. A missing sub-directory of a writable volume is made. PermissionDenied when a
  /// hostPath leads out of `host_path_prefixes` by now: a container may have put a link there since it was
  /// prepared.
  absl::StatusOr<std::string> MountSource(const v1::Workload& workload, const v1::Mount& mount,
                                          const std::string& sub_path,
                                          const std::vector<std::string>& host_path_prefixes);

  /// Writes the pod's /etc/hosts as the kubelet does and returns its path; "" for a host-network pod without
  /// aliases, which sees the host's.
  absl::StatusOr<std::string> WriteHosts(const v1::Workload& workload, const std::string& hostname,
                                         const std::vector<std::string>& pod_ips);
  /// An empty file that any user may write to.
  absl::StatusOr<std::string> MakeTerminationLog(const std::string& container, std::uint32_t attempt);
  /// What a container left there, at most its last 4 KiB; "" if nothing.
  std::string ReadTerminationLog(const std::string& container, std::uint32_t attempt);

  /// Unmounts and removes all of it, though no more than `kRemovedAtOnce` files of its own volumes in one
  /// call: false when some are left.
  absl::StatusOr<bool> Remove();
  /// A small part of what the watchdog bears, on a slow card too.
  static constexpr std::uint64_t kRemovedAtOnce = 200;

 private:
  [[nodiscard]] std::string PathOf(const v1::Volume& volume) const;
  absl::Status PrepareEmptyDir(const v1::Workload& workload, const v1::Volume& volume);
  absl::Status PrepareHostPath(const v1::Volume& volume, const std::vector<std::string>& prefixes);
  [[nodiscard]] absl::StatusOr<std::string> ResolveHostPath(const v1::HostPath& host_path,
                                                            const std::vector<std::string>& prefixes) const;
  /// ROOT/pods/UID/run, mounted.
  absl::StatusOr<std::string> RunDirectory();
  absl::Status WriteVolume(const v1::Workload& workload, const v1::Volume& volume, const Sources& sources);

  FileSystem& files_;
  const std::string root_;
  const PodUid uid_;
};

}  // namespace slicelet::agent
