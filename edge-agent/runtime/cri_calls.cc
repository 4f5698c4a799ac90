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

bool PendingCalls::Add(grpc::ClientContext* context) {
  const std::lock_guard lock(mutex_);
  if (closed_) return false;
  contexts_.insert(context);
  return true;
}

void PendingCalls::Remove(grpc::ClientContext* context) {
  const std::lock_guard lock(mutex_);
  contexts_.erase(context);
  // Under the lock: the waiter may destroy this object as soon as it can take the lock.
  if (contexts_.empty()) empty_.notify_all();
}

void PendingCalls::CancelAndWait() {
  std::unique_lock lock(mutex_);
  closed_ = true;
  for (auto* context : contexts_) context->TryCancel();
  empty_.wait(lock, [this] { return contexts_.empty(); });
}

}  // namespace slicelet::agent::cri
