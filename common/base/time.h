#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "common/base/status.h"

namespace slicelet {

using Duration = std::chrono::nanoseconds;

/// Time that never jumps. Every timeout is measured in it.
struct MonotonicClock {
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<MonotonicClock>;
  static constexpr bool is_steady = true;
};
using MonotonicTime = MonotonicClock::time_point;

/// Calendar time as Unix nanoseconds. For records people read and for certificates; never for a timeout,
/// because hosts boot in 1970.
using WallTime = std::chrono::time_point<std::chrono::system_clock, std::chrono::nanoseconds>;

inline std::int64_t ToUnixNanos(WallTime time) { return time.time_since_epoch().count(); }
inline WallTime FromUnixNanos(std::int64_t nanos) { return WallTime(std::chrono::nanoseconds(nanos)); }

/// "2026-11-21T05:48:00Z" (metav1.Time: whole seconds, truncated).
std::string FormatTime(WallTime time);
/// "2026-11-21T05:48:00.123456Z" (metav1.MicroTime, and log lines).
std::string FormatMicroTime(WallTime time);
/// Reads RFC 3339 with or without fraction and with any offset.
absl::StatusOr<WallTime> ParseTime(const std::string& text);

/// Calendar time of this machine.
class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual WallTime Now() const = 0;
};

/// The operating system's.
class SystemClock : public Clock {
 public:
  [[nodiscard]] WallTime Now() const override;
};

}  // namespace slicelet
