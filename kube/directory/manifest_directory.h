#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "common/base/file_system.h"
#include "common/base/ids.h"
#include "common/loop/loop.h"
#include "kube/cluster/memory_cluster.h"

namespace slicelet::kube {

/// Says that a directory is one of manifests, and which: its content is a random id. While it is missing
/// nothing is removed, because a directory that is not mounted looks like an empty one.
inline constexpr char kDirectoryMarker[] = ".slicelet-directory";

/// Keeps the objects of a `MemoryCluster` equal to the manifests (*.yaml, *.yml, *.json; not in subfolders)
/// of a directory: the part of kubectl apply and of the scheduler that standalone mode needs.
///
/// - Pods, ConfigMaps, Secrets, Services, ServiceAccounts and EdgeHosts; `kind: List` is unpacked. Other
/// kinds need
///   an API server and are refused with a warning.
/// - A pod's uid is the UUIDv5 of the marker's id, its name, and what of its spec can not change in place:
/// the same
///   file is the same pod after a restart, an edited image changes the pod, any other edit replaces it.
/// - A file that can not be read or parsed, or has a member of another type than in Kubernetes, keeps its
/// last good objects; the warning names file, line or field, and cause.
/// - A removed file is a graceful deletion, while the marker is there and is the one seen first. What is
/// taken out of a file goes once the file stays so for `kHalfway`; an emptied one keeps its last good
/// objects.
/// - A pod without nodeName goes to the only node, once there has been just one for `kSettle`; else an Event
/// says so.
class ManifestDirectory {
 public:
  static constexpr std::uint64_t kMaxFile = std::uint64_t{4} << 20;
  static constexpr std::size_t kMaxObjects = 10'000;
  /// Repairs what a lost notification missed.
  static constexpr Duration kRescan = std::chrono::seconds(30);
  static constexpr Duration kSettle = std::chrono::seconds(1);
  /// How long a file has to stay as it is before what it does not hold any more is removed.
  static constexpr Duration kHalfway = std::chrono::seconds(3);
  /// As a real API server does.
  static constexpr Duration kKeepEvents = std::chrono::hours(1);

  /// All must outlive it.
  ManifestDirectory(std::string path, Loop& loop, FileSystem& files, MemoryCluster& cluster);
  ~ManifestDirectory();
  ManifestDirectory(const ManifestDirectory&) = delete;
  ManifestDirectory& operator=(const ManifestDirectory&) = delete;

  /// Reads everything once and goes on reading. FailedPrecondition without a marker.
  absl::Status Start();
  /// Something may have changed.
  void Rescan();

 private:
  /// What a manifest asks for.
  struct Wanted {
    Resource resource;
    std::string ns;
    std::string name;
    StoredObject object;
    /// What of a pod's spec, as written, makes it this pod and no other.
    std::string immutable_part;
    std::string file;
  };
  using Key = std::string;  // "KIND/NAMESPACE/NAME"
  struct File {
    /// Of the content last tried.
    Digest digest;
    /// Of content that lacks some of the objects, and waits for a second look.
    Digest halfway;
    MonotonicTime halfway_since{};
    /// Of the last good content.
    std::vector<Wanted> objects;
  };

  absl::StatusOr<std::string> ReadMarker();
  void ReadFiles(const std::vector<std::string>& names, std::set<std::string>& missing);
  void ReadFile(const std::string& name, const std::string& text, File& known);
  static bool LacksAny(const std::vector<Wanted>& objects, const std::vector<Wanted>& former);
  void DropOldEvents();
  absl::Status Parse(const std::string& file, const std::string& text, std::vector<Wanted>& objects);
  absl::Status Unpack(const Json& document, const std::string& file, std::vector<Wanted>& objects);
  void Converge(bool may_remove);
  absl::Status Apply(const Wanted& wanted);
  absl::Status ApplyPod(const Wanted& wanted, const StoredObject& present);
  void Remove(const Key& key, const Wanted& wanted);
  void BindPods();
  [[nodiscard]] std::string OnlyNode() const;
  [[nodiscard]] std::string UidOfWanted(const Wanted& wanted) const;
  void Warn(const std::string& file, const std::string& why);
  void SayUnbound(const Json& pod);

  const std::string path_;
  Loop& loop_;
  FileSystem& files_;
  MemoryCluster& cluster_;
  std::string id_;
  std::map<std::string, File> read_;
  std::map<Key, Wanted> applied_;
  /// What of them was written last.
  std::map<Key, StoredObject> written_;
  std::map<std::string, std::string> warned_;
  std::set<std::string> said_unbound_;
  std::set<std::string> nodes_;
  MonotonicTime nodes_changed_{};
  std::uint64_t listener_ = 0;
  Timer rescan_;
  Timer react_;
  Timer settle_;
};

/// The counter that tells the lives of a standalone shim apart: adds one to the number in `path` and returns
/// it.
absl::StatusOr<std::uint64_t> NextIncarnation(FileSystem& files, const std::string& path);

}  // namespace slicelet::kube
