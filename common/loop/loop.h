#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include "common/base/time.h"

namespace slicelet {

/// The one thread on which all domain code of a program runs.
///
/// `Post` may be called from any thread; everything else only from the loop's own. Tasks run one at a time,
/// posted ones in the order of posting, timers in the order of their due times. A task must not block.
class Loop {
 public:
  using Task = std::function<void()>;
  /// 0 is never a running timer, so a default TimerId can be cancelled safely.
  using TimerId = std::uint64_t;

  virtual ~Loop() = default;

  virtual void Post(Task task) = 0;
  virtual TimerId RunAfter(Duration delay, Task task) = 0;
  /// After it returns the task will not run. Cancelling a timer that ran or never was is allowed.
  virtual void Cancel(TimerId timer) = 0;
  [[nodiscard]] virtual MonotonicTime Now() const = 0;
};

/// A timer that is cancelled when it goes out of scope; setting it again replaces the former one.
class Timer {
 public:
  explicit Timer(Loop& loop) : loop_(loop) {}
  ~Timer() { Cancel(); }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  void Set(Duration delay, Loop::Task task) {
    Cancel();
    id_ = loop_.RunAfter(delay, [this, task = std::move(task)] {
      id_ = 0;
      // The task may destroy this timer.
      auto run = task;
      run();
    });
  }
  void Cancel() {
    if (id_ != 0) loop_.Cancel(id_);
    id_ = 0;
  }
  [[nodiscard]] bool armed() const { return id_ != 0; }

 private:
  Loop& loop_;
  Loop::TimerId id_ = 0;
};

/// Tells callbacks that their owner is gone. Give each object with asynchronous work one as its last member,
/// and wrap callbacks with `Guard`: after the owner's destruction they do nothing.
class Lifetime {
 public:
  Lifetime() : alive_(std::make_shared<bool>(true)) {}
  ~Lifetime() { *alive_ = false; }
  Lifetime(const Lifetime&) = delete;
  Lifetime& operator=(const Lifetime&) = delete;

  template <typename Function>
  auto Guard(Function function) const {
    return [alive = std::weak_ptr<bool>(alive_), function = std::move(function)](auto&&... args) mutable {
      const auto strong = alive.lock();
      if (strong && *strong) function(std::forward<decltype(args)>(args)...);
    };
  }

 private:
  std::shared_ptr<bool> alive_;
};

}  // namespace slicelet
