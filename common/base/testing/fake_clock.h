#pragma once

#include "common/base/time.h"
#include "common/loop/loop.h"

namespace slicelet {

/// Calendar time that follows a loop's monotonic time and can be made to jump.
class FakeClock : public Clock {
 public:
  /// Starts at 2026-01-01T00:00:00Z. `loop` must outlive this object.
  explicit FakeClock(const Loop& loop) : loop_(loop), started_(loop.Now()) {}

  [[nodiscard]] WallTime Now() const override { return base_ + (loop_.Now() - started_); }
  /// Forward or back: what a clock without battery, or NTP, does.
  void Jump(Duration by) { base_ += by; }

 private:
  const Loop& loop_;
  MonotonicTime started_;
  WallTime base_ = FromUnixNanos(1'767'225'600'000'000'000);
};

}  // namespace slicelet
