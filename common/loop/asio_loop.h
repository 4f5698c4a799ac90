#pragma once

#include <memory>

#include "common/loop/loop.h"

namespace slicelet {

/// `Loop` on Boost.Asio: what the programs run on.
class AsioLoop : public Loop {
 public:
  AsioLoop();
  ~AsioLoop() override;

  void Post(Task task) override;
  TimerId RunAfter(Duration delay, Task task) override;
  void Cancel(TimerId timer) override;
  [[nodiscard]] MonotonicTime Now() const override;

  /// Runs tasks on the calling thread until `Stop`.
  void Run();
  /// May be called from any thread, and before `Run`.
  void Stop();

  /// The io_context behind it, as void* so that this header needs no Asio;
  /// `static_cast<boost::asio::io_context*>`.
  void* io_context();

  /// Calls `task` on the loop at every delivery of one of the signals (SIGTERM, SIGINT, SIGHUP).
  void OnSignals(std::initializer_list<int> signals, std::function<void(int)> task);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace slicelet
