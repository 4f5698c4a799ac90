#include "kube/cluster/watch_history.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "kube/object.h"

namespace slicelet::kube {

void WatchHistory::Add(Change change) {
  changes_.push_back(std::move(change));
  while (changes_.size() > limit_) {
    compacted_ = changes_.front().version;
    changes_.pop_front();
  }
}

absl::StatusOr<std::vector<WatchHistory::Seen>> WatchHistory::Since(std::uint64_t version,
                                                                    const Scope& scope) const {
  if (version < compacted_) {
    return absl::OutOfRangeError("too old resource version: " + std::to_string(version) + " (" +
                                 std::to_string(compacted_) + ")");
  }
  std::vector<Seen> seen;
  const auto begin = std::partition_point(changes_.begin(), changes_.end(),
                                          [&](const Change& change) { return change.version <= version; });
  for (auto change = begin; change != changes_.end(); ++change) {
    if (change->collection != scope.collection) continue;
    const Json& any = change->after != nullptr ? *change->after : *change->last;
    if (!scope.ns.empty() && NamespaceOf(any) != scope.ns) continue;
    const bool was = change->before != nullptr && scope.selector.Matches(*change->before);
    const bool is = change->after != nullptr && scope.selector.Matches(*change->after);
    if (!was && !is) continue;
    if (!is) {
      seen.push_back({WatchEventType::kDeleted, change->last != nullptr ? change->last : change->after});
    } else {
      seen.push_back({was ? WatchEventType::kModified : WatchEventType::kAdded, change->after});
    }
  }
  return seen;
}

void WatchHistory::Compact(std::uint64_t version) {
  compacted_ = version;
  changes_.clear();
}

}  // namespace slicelet::kube
