#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <unordered_map>
#include <utility>

#include "common/loop/loop.h"

namespace slicelet {

/// `Loop` on virtual time: nothing runs until the test says so, and an hour passes in no time.
/// Single-threaded.
class SimLoop : public Loop {
 public:
  SimLoop() = default;
  /// What is still queued is dropped while the loop can still be called: tasks own objects that cancel
  /// timers.
  ~SimLoop() override {
    while (!queue_.empty()) {
      const auto dropped = std::exchange(queue_, {});
      due_.clear();
    }
  }

  void Post(Task task) override { RunAfter(Duration::zero(), std::move(task)); }

  TimerId RunAfter(Duration delay, Task task) override {
    const TimerId id = next_++;
    const auto due = now_ + std::max(delay, Duration::zero());
    queue_.emplace(std::make_pair(due, id), std::move(task));
    due_.emplace(id, due);
    return id;
  }

  void Cancel(TimerId timer) override {
    const auto it = due_.find(timer);
    if (it == due_.end()) return;
    queue_.erase({it->second, timer});
    due_.erase(it);
  }

  [[nodiscard]] MonotonicTime Now() const override { return now_; }

  /// Runs the next task, moving time to it. False when nothing is queued.
  bool Step() {
    if (queue_.empty()) return false;
    const auto it = queue_.begin();
    now_ = it->first.first;
    Task task = std::move(it->second);
    due_.erase(it->first.second);
    queue_.erase(it);
    task();
    return true;
  }

  /// Runs everything due now, without moving time.
  void RunReady() {
    while (!queue_.empty() && queue_.begin()->first.first <= now_) Step();
  }

  /// Runs everything due within `delay`, then stands at now + delay.
  void Advance(Duration delay) {
    const auto end = now_ + delay;
    while (!queue_.empty() && queue_.begin()->first.first <= end) Step();
    now_ = end;
  }

  /// Runs until `done` holds or `limit` has passed; true when it held.
  template <typename Predicate>
  bool RunUntil(Predicate done, Duration limit) {
    const auto end = now_ + limit;
    while (!done()) {
      if (queue_.empty() || queue_.begin()->first.first > end) return false;
      Step();
    }
    return true;
  }

  [[nodiscard]] std::size_t pending() const { return queue_.size(); }

 private:
  MonotonicTime now_{std::chrono::hours(1)};
  TimerId next_ = 1;
  std::map<std::pair<MonotonicTime, TimerId>, Task> queue_;
  std::unordered_map<TimerId, MonotonicTime> due_;
};

}  // namespace slicelet
