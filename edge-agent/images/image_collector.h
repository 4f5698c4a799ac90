#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/base/file_system.h"
#include "common/loop/loop.h"
#include "edge-agent/runtime/container_runtime.h"

namespace slicelet::agent {

/// Removes images that nobody needs when their file system fills up (kubelet images/image_gc_manager.go):
/// above `high_percent` of use the least recently used ones go, until it would be below `low_percent`.
///
/// Never removed: images of containers, whoever's they are; pinned ones and the runtime's own; those that a
/// pod of the manifest names, whether it runs or not, so that it starts again without a network; and those
/// that have been seen for less than `min_age`. While it is not known what is named, or the runtime does not
/// answer, nothing is removed.
class ImageCollector {
 public:
  struct Options {
    int high_percent = 85;
    int low_percent = 80;
    Duration min_age = std::chrono::minutes(2);
    Duration period = std::chrono::minutes(5);
  };
  /// The images that pods name, as written there; nullopt while that is not known.
  using Named = std::function<std::optional<std::set<std::string>>()>;

  /// The dependencies must outlive this object.
  ImageCollector(Loop& loop, FileSystem& files, ContainerRuntime& runtime, Options options, Named named);

  /// Looks now, and again every period. Call once.
  void Start();
  /// Looks again soon: the disk is short of space. Saying so again puts nothing off.
  void Hurry();
  /// A path on the images' file system; "" until it is known.
  [[nodiscard]] const std::string& root() const { return root_; }

 private:
  struct Seen {
    MonotonicTime first;
    MonotonicTime used;
  };

  void Round();
  void RoundAfter(Duration delay);
  void FindRoot();
  void ListUsed();
  void ResolveNext();
  void ListAll();
  void Plan(const std::vector<Image>& images);
  void RemoveNext();
  /// Why the round can not go on. It is tried again after a period.
  void GiveUp(const std::string& what, const absl::Status& why);

  Loop& loop_;
  FileSystem& files_;
  ContainerRuntime& runtime_;
  const Options options_;
  const Named named_;
  std::string root_;
  bool busy_ = false;
  Timer timer_;
  /// When the next round begins.
  MonotonicTime due_;
  /// By image id.
  std::map<std::string, Seen> seen_;

  // Of the round under way:
  std::set<std::string> names_;
  std::vector<std::string> unresolved_;
  std::set<std::string> needed_;
  std::vector<Image> candidates_;
  std::uint64_t to_free_ = 0;
  /// Nothing was left to remove, and that was said.
  bool exhausted_ = false;
  Lifetime lifetime_;
};

}  // namespace slicelet::agent
