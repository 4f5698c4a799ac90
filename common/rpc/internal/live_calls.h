#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <unordered_map>

namespace slicelet {

/// How long a session that was ended, or a call that was ended with an error, may take to bring its status
/// home before it is cancelled.
inline constexpr auto kRpcLinger = std::chrono::seconds(5);

/// A call that gRPC may still call back.
class LiveCall {
 public:
  virtual ~LiveCall() = default;
  /// Ends it without waiting for the loop. On the loop's thread.
  virtual void Abort() = 0;
};

/// Keeps calls alive until gRPC has let go of them, and lets the owner wait for that: nothing may post to a
/// loop that is gone. Thread-safe.
class LiveCalls {
 public:
  /// False when closing: the call must end at once. It is kept alive either way.
  bool Add(std::shared_ptr<LiveCall> call);
  /// gRPC's last word about the call. May destroy it.
  void Remove(LiveCall* call);
  /// No more calls; aborts those that live.
  void Close();
  void WaitUntilEmpty();

 private:
  std::mutex mutex_;
  std::condition_variable empty_;
  bool closing_ = false;
  int removing_ = 0;
  std::unordered_map<LiveCall*, std::shared_ptr<LiveCall>> calls_;
};

}  // namespace slicelet
