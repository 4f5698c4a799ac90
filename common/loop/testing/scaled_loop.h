#pragma once

#include <chrono>
#include <utility>

#include "common/loop/asio_loop.h"

namespace slicelet {

/// Real, but every wait takes `factor` times as long.
class ScaledLoop : public Loop {
 public:
  ScaledLoop(AsioLoop& loop, double factor) : loop_(loop), factor_(factor) {}
  void Post(Task task) override { loop_.Post(std::move(task)); }
  TimerId RunAfter(Duration delay, Task task) override {
    return loop_.RunAfter(std::chrono::duration_cast<Duration>(delay * factor_), std::move(task));
  }
  void Cancel(TimerId timer) override { loop_.Cancel(timer); }
  [[nodiscard]] MonotonicTime Now() const override { return loop_.Now(); }

 private:
  AsioLoop& loop_;
  const double factor_;
};

}  // namespace slicelet
