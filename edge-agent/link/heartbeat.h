#pragma once

#include <functional>

#include "common/loop/loop.h"

namespace slicelet::agent {

/// No interval between heartbeats is shorter.
inline constexpr Duration kShortestHeartbeat = std::chrono::seconds(1);
/// What holds until the hub says how often.
inline constexpr Duration kDefaultHeartbeat = std::chrono::seconds(60);

/// Signs of life on an idle link: says when to send one, and notices when the hub gives none.
class Heartbeat {
 public:
  struct Events {
    /// Send one now, and schedule the next. `want_ack`: the hub shall answer, because it has been silent, or
    /// has not told its time for several intervals.
    std::function<void(bool want_ack)> due;
    /// Nothing came for several intervals.
    std::function<void()> silent;
  };

  /// `loop` must outlive this object.
  Heartbeat(Loop& loop, Events events);

  /// How often the hub wants one; counts from the next `Schedule` on.
  void SetInterval(Duration interval) { interval_ = interval; }
  /// A message of this session came.
  void Heard() { heard_ = loop_.Now(); }
  /// The hub told its time. Its clock may be set, and what it sends expires by it.
  void HeardTime() { time_heard_ = loop_.Now(); }
  /// The next one comes in time for a workload whose autonomy is `shortest_autonomy`; zero: none is limited.
  void Schedule(Duration shortest_autonomy);
  void Cancel() { timer_.Cancel(); }

 private:
  Loop& loop_;
  const Events events_;
  Duration interval_ = kDefaultHeartbeat;
  MonotonicTime heard_{};
  MonotonicTime time_heard_{};
  Timer timer_;
};

}  // namespace slicelet::agent
