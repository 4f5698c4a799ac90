#include "edge-agent/link/heartbeat.h"

#include <algorithm>
#include <utility>

namespace slicelet::agent {
namespace {

constexpr int kMissedHeartbeats = 3;
/// Intervals after which the hub is asked for its time, should nothing else make it tell.
constexpr int kTimeGrowsOld = 3;

}  // namespace

Heartbeat::Heartbeat(Loop& loop, Events events) : loop_(loop), events_(std::move(events)), timer_(loop) {}

void Heartbeat::Schedule(Duration shortest_autonomy) {
  Duration interval = interval_;
  // The shortest autonomy must not run out over an idle link.
  if (shortest_autonomy > Duration::zero()) {
    interval = std::min(interval, std::max(shortest_autonomy / 4, kShortestHeartbeat));
  }
  timer_.Set(interval, [this, interval] {
    // Half an interval for timers that are late: one answer alone may get lost.
    if (loop_.Now() - heard_ > kMissedHeartbeats * interval + interval / 2) return events_.silent();
    // An idle link is answered every other time; where autonomy is counted, every time.
    const Duration silence = interval < interval_ ? interval / 2 : interval * 3 / 2;
    const bool time_old = loop_.Now() - time_heard_ >= kTimeGrowsOld * interval_;
    events_.due(time_old || loop_.Now() - heard_ >= silence);
  });
}

}  // namespace slicelet::agent
