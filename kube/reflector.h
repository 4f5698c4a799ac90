#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/backoff.h"
#include "common/base/random.h"
#include "common/loop/loop.h"
#include "kube/kube_api.h"

namespace slicelet::kube {

/// Keeps somebody informed of a collection: one list, then every change, for as long as it lives.
///
///     list ----ok----> watch --normal end--> probe --ok--> watch
///      ^                 |                     | version went back
///      |                 |                     +--> list
///      +------ 410 ------+--broken--> [wait] --> list, watch from the last version, then hand over the list
///
/// A watch resumes from the last version it saw, so that deletions in the gap still arrive as DELETED events
/// (which are evidence) and not as absences (which are not). That alone would trust the server to have the
/// same history: one restored from a backup accepts a version that is yet to come, and stays silent until
/// then. So a resumed watch is checked, with a list that matches nothing after a normal end, and with a whole
/// one after a break, which is handed over when the watch has reached its version: whatever the reason,
/// nobody keeps an object that is gone.
///
/// Failures wait by full jitter, 800 ms to 30 s, or as long as Retry-After says. Owned by one loop. It may be
/// destroyed from its own callbacks.
class Reflector {
 public:
  struct Options {
    Resource resource;
    /// Empty: all namespaces.
    std::string ns;
    std::string field_selector;
    std::string label_selector;
    /// Lists may come from the API server's cache, which may be older than what was seen before.
    bool cached_list = false;
  };

  struct Handler {
    /// The whole collection: after the first list, after each relist, and after each break.
    std::function<void(std::vector<Json> items, const std::string& resource_version)> on_list;
    /// Added, modified or deleted; never a bookmark.
    std::function<void(WatchEventType type, Json object)> on_event;
    /// The collection can not be read right now; optional. Followed by another attempt.
    std::function<void(const absl::Status& status)> on_trouble;
  };

  static constexpr Backoff::Options kBackoff{std::chrono::milliseconds(800), std::chrono::seconds(30)};

  /// `loop`, `random` and `api` must outlive it.
  Reflector(Loop& loop, Random& random, KubeApi& api, Options options, Handler handler);
  Reflector(const Reflector&) = delete;
  Reflector& operator=(const Reflector&) = delete;

  void Start();
  /// The last version seen, empty before the first list.
  [[nodiscard]] const std::string& resource_version() const { return seen_; }
  /// A list has succeeded.
  [[nodiscard]] bool listed() const { return !seen_.empty(); }

 private:
  void Next();
  void List();
  void Probe();
  void Check();
  void Adopt(ObjectList list);
  void HandOver();
  void StartWatch();
  void OnEvent(WatchEvent event);
  void OnEnd(const absl::Status& status);
  void Retry(const absl::Status& status);
  [[nodiscard]] bool WatchHeldFor(Duration duration) const;

  Loop& loop_;
  KubeApi& api_;
  const Options options_;
  const Handler handler_;
  Backoff backoff_;
  Timer timer_;
  std::unique_ptr<Watch> watch_;
  MonotonicTime watch_started_{};
  /// Where the next watch begins.
  std::string version_;
  /// The newest that was handed over; a list may be ahead of the watch.
  std::string seen_;
  bool list_needed_ = true;
  /// The watch broke, and what it saw has not been checked against a list since.
  bool broken_ = false;
  /// A list that waits for the watch to reach its version.
  std::optional<ObjectList> held_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  Lifetime lifetime_;
};

}  // namespace slicelet::kube
