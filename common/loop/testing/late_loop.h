#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <utility>

#include "common/loop/asio_loop.h"

namespace slicelet {

/// Real, but no timer ends before `may` holds: for a time limit that has to end in the middle of something,
/// however long a busy machine takes to begin that.
class LateLoop : public Loop {
 public:
  LateLoop(AsioLoop& loop, std::function<bool()> may) : loop_(loop), may_(std::move(may)) {}
  ~LateLoop() override {
    for (const auto& [id, timer] : timers_) loop_.Cancel(timer);
  }
  LateLoop(const LateLoop&) = delete;
  LateLoop& operator=(const LateLoop&) = delete;

  void Post(Task task) override { loop_.Post(std::move(task)); }
  TimerId RunAfter(Duration delay, Task task) override {
    const TimerId id = next_++;
    Set(id, delay, task);
    return id;
  }
  void Cancel(TimerId timer) override {
    const auto it = timers_.find(timer);
    if (it == timers_.end()) return;
    loop_.Cancel(it->second);
    timers_.erase(it);
  }
  [[nodiscard]] MonotonicTime Now() const override { return loop_.Now(); }

 private:
  void Set(TimerId id, Duration delay, const Task& task) {
    timers_[id] = loop_.RunAfter(delay, [this, id, task] {
      if (!may_()) return Set(id, std::chrono::milliseconds(10), task);
      timers_.erase(id);
      task();
    });
  }

  AsioLoop& loop_;
  const std::function<bool()> may_;
  TimerId next_ = 1;
  /// What the real loop calls them.
  std::map<TimerId, TimerId> timers_;
};

}  // namespace slicelet
