#include "common/rpc/internal/live_calls.h"

#include <utility>
#include <vector>

namespace slicelet {

bool LiveCalls::Add(std::shared_ptr<LiveCall> call) {
  const std::lock_guard lock(mutex_);
  auto* key = call.get();
  calls_.emplace(key, std::move(call));
  return !closing_;
}

void LiveCalls::Remove(LiveCall* call) {
  std::unique_lock lock(mutex_);
  auto node = calls_.extract(call);
  if (node.empty()) return;
  // Destroyed outside the lock, but before a waiter goes on.
  ++removing_;
  lock.unlock();
  node.mapped().reset();
  lock.lock();
  --removing_;
  if (calls_.empty() && removing_ == 0) empty_.notify_all();
}

void LiveCalls::Close() {
  std::vector<std::shared_ptr<LiveCall>> calls;
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
    for (const auto& [key, call] : calls_) calls.push_back(call);
  }
  for (const auto& call : calls) call->Abort();
}

void LiveCalls::WaitUntilEmpty() {
  std::unique_lock lock(mutex_);
  empty_.wait(lock, [this] { return calls_.empty() && removing_ == 0; });
}

}  // namespace slicelet
