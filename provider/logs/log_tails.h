#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "common/base/ids.h"
#include "common/base/random.h"
#include "common/base/time.h"
#include "common/loop/loop.h"
#include "provider/logs/log_tail.h"
#include "provider/logs/log_tail_shelf.h"
#include "provider/store/hub_store.h"
#include "slicelet/v1/link.pb.h"
#include "slicelet/v1/workload.pb.h"

namespace slicelet::provider {

/// Reads the ends of containers' logs from hosts that are connected, and keeps them for when they are not.
///
/// Level-triggered: what a host's statuses say is compared with what is kept, so that a lost answer, a
/// restored hub or a rebuilt host only delays. An instance that has ended is read once in a process life,
/// also where that had to make room; one that runs, where its pod or its host asks for that, again and again,
/// each time what was added since. A host is asked for one piece at a time, and only some hosts at once.
class LogTails {
 public:
  struct Options {
    /// For all hosts together; 0: nothing is read or kept.
    std::uint64_t limit = std::uint64_t{256} * 1024 * 1024;
    /// Of hosts and pods that say nothing else.
    v1::LogTailRule rule;
  };
  /// Dropped by it when the host is not connected.
  using Send = std::function<void(const HostId&, v1::Command)>;

  static constexpr Duration kAnswerWithin = std::chrono::seconds(30);
  static constexpr int kMaxAttempts = 3;
  /// Between two readings of a container: one that crashes again and again is not read each time.
  static constexpr Duration kPause = std::chrono::minutes(1);
  static constexpr Duration kPauseAfterFailure = std::chrono::minutes(5);
  /// An exit is reported when the runtime is done with it, and not all at once after a reconnect.
  static constexpr Duration kDelay = std::chrono::seconds(1);
  static constexpr std::size_t kMaxHostsAtOnce = 16;
  /// Of one reading; a container that writes faster than it is read is left where it is.
  static constexpr int kMaxPieces = 16;
  static constexpr std::size_t kMaxContainers = 1'000;

  /// The references must outlive this object.
  LogTails(const Options& options, Loop& loop, Clock& clock, Random& random, HubStore& store, Send send);

  /// A session of the host begins. What was asked in the former one is not answered any more.
  void OnConnected(const HostId& host, const v1::Birth& birth);
  void OnDisconnected(const HostId& host);
  /// The newest status of a pod on a host; `pod_rule` is what the pod says itself.
  void Look(const HostId& host, const PodUid& uid, const std::optional<v1::LogTailRule>& pod_rule,
            const v1::WorkloadStatus& status);
  void OnReply(const HostId& host, const v1::Reply& reply);
  /// The pod is not on the host any more; adds the removal of what is kept.
  void Forget(const PodUid& uid, const HostId& host, HubStore::Batch& batch);
  /// The host itself is gone.
  void Forget(const HostId& host);

  [[nodiscard]] LogTailShelf& shelf() { return shelf_; }
  [[nodiscard]] const LogTailShelf& shelf() const { return shelf_; }

 private:
  using Name = std::pair<PodUid, std::string>;

  /// What the statuses and rules want of a container.
  struct Container {
    /// The last instance that has ended, and the one that runs; empty: none.
    std::string ended;
    std::string running;
    /// The last one that ended and was read and stored: not read again when it had to make room for others,
    /// who would then make room for it, and so on.
    std::string read_end;
    /// 0: what runs is not read.
    Duration every{0};
    MonotonicTime not_before{};
    MonotonicTime next_reading{};
  };
  struct Task {
    Name name;
    std::string container_id;
    bool ended = false;
    MonotonicTime due{};
  };
  struct Reading {
    Task task;
    std::uint64_t number = 0;
    /// Empty while no answer is awaited.
    std::string request_id;
    LogTailRead read;
    int attempts = 0;
    int pieces = 0;
    /// The time of the last line that the hub has.
    std::int64_t after = 0;
  };
  struct Host {
    explicit Host(Loop& loop) : timer(loop) {}

    bool connected = false;
    v1::LogTailRule rule;
    std::map<Name, Container> containers;
    std::optional<Reading> reading;
    /// Until the next task is due, or the answer is late.
    Timer timer;
  };

  Host& Ensure(const HostId& id);
  void LookAt(const HostId& id, Host& host, const Name& name, const v1::ContainerStatus& status,
              const v1::LogTailRule& rule);
  [[nodiscard]] std::optional<Task> NextTask(const HostId& id, const Host& host) const;
  void Go(const HostId& id);
  void Begin(const HostId& id, Host& host, const Task& task);
  void Ask(const HostId& id, Host& host);
  void Late(const HostId& id);
  void Done(const HostId& id, Host& host);
  /// Ends the reading; the container's next one is not before `pause` has passed.
  void End(const HostId& id, Host& host, Duration pause);
  /// False when there is nothing to store; else the reading ends when that is done.
  bool Keep(const HostId& id, Reading& reading);

  const Options options_;
  Loop& loop_;
  Clock& clock_;
  Random& random_;
  HubStore& store_;
  const Send send_;
  LogTailShelf shelf_;
  std::map<HostId, std::unique_ptr<Host>> hosts_;
  std::size_t readings_ = 0;
  std::uint64_t last_reading_ = 0;
  /// Hosts that wait for others.
  std::deque<HostId> waiting_;
  Lifetime lifetime_;
};

}  // namespace slicelet::provider
