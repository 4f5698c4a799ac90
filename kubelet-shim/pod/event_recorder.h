#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <tuple>

#include "common/base/random.h"
#include "common/loop/loop.h"
#include "kube/kube_api.h"

namespace slicelet::shim {

/// The object an Event is about.
struct EventSubject {
  std::string kind = "Pod";
  std::string ns{};
  std::string name{};
  std::string uid{};
  /// "spec.containers{NAME}", or empty for the whole object.
  std::string field_path{};
};

/// Writes Kubernetes Events with one credential. Best effort: a lost Event is logged, never retried.
///
/// A repeat (same object, type, reason and message) becomes a higher count on the same Event, and repeats
/// that arrive while a write is under way become one write. Each object has a budget, as the kubelet's spam
/// filter has: a burst of 25, then one every 5 minutes; what exceeds it is dropped and counted.
class EventRecorder {
 public:
  static constexpr int kBurst = 25;
  static constexpr Duration kRefill = std::chrono::minutes(5);
  static constexpr std::size_t kMaxRemembered = 2'048;
  static constexpr std::size_t kMaxMessage = 1'024;

  /// `host` is the node's name.
  EventRecorder(Loop& loop, Clock& clock, Random& random, std::shared_ptr<kube::KubeApi> api,
                std::string host);

  void Record(const EventSubject& subject, bool warning, const std::string& reason,
              const std::string& message);

  [[nodiscard]] std::uint64_t dropped() const { return dropped_; }

 private:
  /// uid, field path, type, reason, message.
  using Key = std::tuple<std::string, std::string, bool, std::string, std::string>;
  struct Entry {
    EventSubject subject;
    std::string name;
    std::string first;
    std::int64_t count = 0;
    bool created = false;
    bool writing = false;
    bool again = false;
  };
  struct Budget {
    double tokens = kBurst;
    MonotonicTime updated;
  };

  bool Spend(const std::string& object);
  void Write(const Key& key);
  void Create(const Key& key, const Entry& entry);
  void OnWritten(const Key& key, const absl::Status& status);

  Loop& loop_;
  Clock& clock_;
  Random& random_;
  std::shared_ptr<kube::KubeApi> api_;
  const std::string host_;
  std::map<Key, Entry> entries_;
  std::deque<Key> order_;
  std::map<std::string, Budget> budgets_;
  std::uint64_t dropped_ = 0;
  Lifetime lifetime_;
};

}  // namespace slicelet::shim
