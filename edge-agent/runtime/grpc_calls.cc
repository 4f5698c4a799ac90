#include "edge-agent/runtime/grpc_calls.h"

namespace slicelet::agent {

grpc::ClientContext* PendingCalls::Begin() {
  const std::lock_guard lock(mutex_);
  if (closed_) return nullptr;
  auto context = std::make_unique<grpc::ClientContext>();
  auto* raw = context.get();
  contexts_.emplace(raw, std::move(context));
  return raw;
}

void PendingCalls::End(grpc::ClientContext* context, const std::function<void()>& last_words) {
  std::unique_lock lock(mutex_);
  auto node = contexts_.extract(context);
  // Destroyed outside the lock, but before a waiter goes on.
  ++ending_;
  lock.unlock();
  node.mapped().reset();
  last_words();
  lock.lock();
  --ending_;
  // Under the lock: the waiter may destroy this object as soon as it can take the lock.
  if (contexts_.empty() && ending_ == 0) empty_.notify_all();
}

void PendingCalls::CancelAndWait() {
  std::unique_lock lock(mutex_);
  closed_ = true;
  for (const auto& [context, owned] : contexts_) context->TryCancel();
  empty_.wait(lock, [this] { return contexts_.empty() && ending_ == 0; });
}

}  // namespace slicelet::agent
