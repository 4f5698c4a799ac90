#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <tuple>

#include "common/base/backoff.h"
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

/// Writes Kubernetes Events with one credential, one after the other: what a pod's status needs of the API
/// server and of this process goes before. An API server that is away or overloaded is asked again, at most
/// `kMaxAttempts` times for an Event (both as client-go's recorder does); one that it refuses is logged and
/// lost.
///
/// A repeat (same object, type, reason and message) becomes a higher count on the same Event, and repeats
/// that arrive before it is written become one write. Each object has a budget, as the kubelet's spam
/// filter has: a burst of 25, then one every 5 minutes; what exceeds it is dropped and counted.
class EventRecorder {
 public:
  static constexpr int kBurst = 25;
  static constexpr Duration kRefill = std::chrono::minutes(5);
  static constexpr std::size_t kMaxRemembered = 2'048;
  static constexpr std::size_t kMaxMessage = 1'024;
  static constexpr int kMaxAttempts = 12;

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
    std::string last;
    std::int64_t count = 0;
    bool created = false;
    bool queued = false;
    int attempts = 0;
  };
  struct Budget {
    double tokens = kBurst;
    MonotonicTime updated;
  };

  bool Spend(const std::string& object);
  void Enqueue(const Key& key, Entry& entry);
  void WriteNext();
  void Create(const Key& key, const Entry& entry);
  void OnWritten(const Key& key, const absl::Status& status);

  Loop& loop_;
  Clock& clock_;
  Random& random_;
  std::shared_ptr<kube::KubeApi> api_;
  const std::string host_;
  std::map<Key, Entry> entries_;
  std::deque<Key> order_;
  /// What waits to be written; the entry of the first one may be forgotten meanwhile.
  std::deque<Key> queue_;
  bool writing_ = false;
  Backoff backoff_;
  Timer retry_;
  std::map<std::string, Budget> budgets_;
  std::uint64_t dropped_ = 0;
  Lifetime lifetime_;
};

}  // namespace slicelet::shim
