#include "kubelet-shim/api/stream_session.h"

namespace slicelet::shim {

void LogSession::Accepted() {
  exchange().StartStream(200, "text/plain");
  ReadStream();
}

void LogSession::Received(absl::StatusOr<std::optional<v1::StreamFrame>> frame) {
  // Without its end the body is cut off, which tells the client that lines are missing.
  if (!frame.ok()) return Finish(frame.status());
  if (!frame->has_value() || (*frame)->has_half_close()) {
    exchange().EndStream();
    return Finish(absl::OkStatus());
  }
  if ((*frame)->data().empty()) return ReadStream();
  exchange().Write(std::move(*(**frame).mutable_data()), lifetime_.Guard([this](const absl::Status& status) {
    if (!status.ok()) return Finish(status);
    ReadStream();
  }));
}

int LogSession::StatusFor(absl::StatusCode code) const {
  // The kubelet answers 400 when the container has no log yet and when the runtime fails.
  if (code == absl::StatusCode::kFailedPrecondition || code == absl::StatusCode::kInternal ||
      code == absl::StatusCode::kUnknown) {
    return 400;
  }
  return StreamSession::StatusFor(code);
}

}  // namespace slicelet::shim
