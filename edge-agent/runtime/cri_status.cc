#include "edge-agent/runtime/cri_status.h"

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

}  // namespace slicelet::agent::cri
