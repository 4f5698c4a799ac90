#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "kube/cluster/selector.h"
#include "kube/kube_api.h"

namespace slicelet::kube {

/// An object as it was at one version. Shared, because history, snapshots and lists hold the same one.
using StoredObject = std::shared_ptr<const Json>;

/// The newest changes of a cluster's objects, from which watches are served. The oldest are compacted away.
class WatchHistory {
 public:
  /// One change of one object.
  struct Change {
    std::uint64_t version = 0;
    std::string collection;
    StoredObject before;  // null when it was created
    StoredObject after;   // null when it was removed
    StoredObject last;    // what a DELETED event shows: the last state, at this version
  };

  /// What a watch is told.
  struct Seen {
    WatchEventType type = WatchEventType::kAdded;
    StoredObject object;
  };

  /// Of the changes of one collection, what a watch is about.
  struct Scope {
    std::string collection;
    /// Empty: every namespace.
    std::string ns;
    const Selector& selector;
  };

  /// Holds `limit` changes, of versions above `first_version`.
  WatchHistory(std::size_t limit, std::uint64_t first_version) : limit_(limit), compacted_(first_version) {}

  void Add(Change change);
  /// What a watch sees after `version`. OutOfRange when that is compacted away.
  absl::StatusOr<std::vector<Seen>> Since(std::uint64_t version, const Scope& scope) const;
  /// Forgets everything up to `version`, the newest.
  void Compact(std::uint64_t version);

 private:
  const std::size_t limit_;
  std::uint64_t compacted_;
  std::deque<Change> changes_;
};

}  // namespace slicelet::kube
