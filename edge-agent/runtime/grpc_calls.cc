#include "edge-agent/runtime/cri_calls.h"

#include <string>

namespace slicelet::agent::cri {

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  const std::string& message = status.error_message();
  // containerd 1.6 serves its socket before its CRI plug-in is ready, and says so without a code of its own.
  if (status.error_code() == grpc::StatusCode::UNKNOWN &&
      message.find("server is not initialized yet") != std::string::npos) {
    return absl::UnavailableError("container runtime is starting");
  }
  if (status.error_code() == grpc::StatusCode::UNAVAILABLE) {
    return absl::UnavailableError("container runtime is not reachable: " + message);
  }
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), message);
}

grpc::ClientContext* PendingCalls::Begin() {
  const std::lock_guard lock(mutex_);
  if (closed_) return nullptr;
  auto context = std::make_unique<grpc::ClientContext>();
  auto* raw = context.get();
  contexts_.emplace(raw, std::move(context));
  return raw;
}

void PendingCalls::End(grpc::ClientContext* context) {
  std::unique_lock lock(mutex_);
  auto node = contexts_.extract(context);
  // Destroyed outside the lock, but before a waiter goes on.
  ++ending_;
  lock.unlock();
  node.mapped().reset();
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

}  // namespace slicelet::agent::cri
