#include "kubelet-shim/api/stream_session.h"

#include <utility>

namespace slicelet::shim {

StreamSession::StreamSession(Parts parts) : parts_(std::move(parts)), reply_timeout_(parts_.loop) {}

void StreamSession::Start(const v1::StreamHead& head) {
  parts_.exchange->OnGone(
      lifetime_.Guard([this] { Finish(absl::CancelledError("the client closed the connection")); }));
  reply_timeout_.Set(kReplyTimeout,
                     [this] { Refuse(absl::DeadlineExceededError("the host did not answer in time")); });
  v1::StreamFrame frame;
  *frame.mutable_head() = head;
  // A failed write shows in the read as well, with the reason.
  parts_.stream->Write(std::move(frame), lifetime_.Guard([this](const absl::Status&) {
    head_written_ = true;
    Begin();
  }));
  parts_.stream->Read(lifetime_.Guard([this](const auto& reply) { Replied(reply); }));
}

void StreamSession::Replied(const absl::StatusOr<std::optional<v1::StreamFrame>>& frame) {
  if (!frame.ok()) return Refuse(frame.status());
  if (!frame->has_value() || !(*frame)->has_reply()) {
    return Refuse(absl::InternalError("the provider ended the stream without an answer"));
  }
  const auto& reply = (*frame)->reply();
  if (reply.code() != 0) return Refuse({static_cast<absl::StatusCode>(reply.code()), reply.message()});
  accepted_ = true;
  Begin();
}

void StreamSession::Begin() {
  if (!head_written_ || !accepted_) return;
  reply_timeout_.Cancel();
  Accepted();
}

void StreamSession::Refuse(const absl::Status& status) {
  HttpResponse response;
  response.status = StatusFor(status.code());
  if (response.status == 429) response.headers.emplace_back("Retry-After", "60");
  response.body = Message(status) + "\n";
  parts_.exchange->Respond(std::move(response));
  Finish(status);
}

int StreamSession::StatusFor(absl::StatusCode code) const {
  switch (code) {
    case absl::StatusCode::kInvalidArgument:
      return 400;
    case absl::StatusCode::kPermissionDenied:
      return 403;
    case absl::StatusCode::kNotFound:
      return 404;
    case absl::StatusCode::kResourceExhausted:
      return 429;
    case absl::StatusCode::kUnimplemented:
      return 501;
    case absl::StatusCode::kUnavailable:
      return 503;
    case absl::StatusCode::kDeadlineExceeded:
      return 504;
    default:
      return 500;
  }
}

void StreamSession::ReadStream() {
  parts_.stream->Read(lifetime_.Guard([this](auto frame) { Received(std::move(frame)); }));
}

void StreamSession::Finish(const absl::Status& status) {
  reply_timeout_.Cancel();
  parts_.stream->Finish(status);
  const auto finished = std::exchange(parts_.finished, nullptr);
  if (finished) finished();
}

}  // namespace slicelet::shim
