#include <utility>

#include "kubelet-shim/api/stream_session.h"

namespace slicelet::shim {

UpgradeSession::UpgradeSession(Parts parts) : StreamSession(std::move(parts)), silence_(loop()) {}

void UpgradeSession::Accepted() {
  client_ = exchange().Hijack();
  ReadStream();
  ReadClient();
}

void UpgradeSession::ReadClient() {
  client_->Read(lifetime_.Guard([this](absl::StatusOr<std::string> data) {
    if (!data.ok()) return Finish(data.status());
    if (data->empty()) return ClientEnded();
    from_client_ = std::move(*data);
    WriteHost();
  }));
}

void UpgradeSession::ClientEnded() {
  client_ended_ = true;
  WriteHost();
  AwaitHost();
}

void UpgradeSession::WriteHost() {
  if (writing_host_ || end_written_) return;
  v1::StreamFrame frame;
  if (!from_client_.empty()) {
    *frame.mutable_data() = std::exchange(from_client_, {});
  } else if (client_ended_) {
    frame.mutable_half_close();
    end_written_ = true;
  } else {
    return;
  }
  writing_host_ = true;
  stream().Write(std::move(frame), lifetime_.Guard([this](const absl::Status& status) {
    // Why the stream is over shows in its read.
    if (!status.ok()) return;
    writing_host_ = false;
    if (client_ended_) AwaitHost();
    WriteHost();
  }));
  if (!client_ended_) ReadClient();
}

void UpgradeSession::AwaitHost() {
  silence_.Set(kHalfClosedSilence,
               [this] { Finish(absl::CancelledError("the client closed the connection")); });
}

void UpgradeSession::Received(absl::StatusOr<std::optional<v1::StreamFrame>> frame) {
  if (!frame.ok()) return Finish(frame.status());
  // The runtime's side is over, and with it the exchange: none of the tunnelled protocols goes on one-way.
  if (!frame->has_value() || (*frame)->has_half_close()) return Finish(absl::OkStatus());
  if ((*frame)->data().empty()) return ReadStream();
  if (client_ended_) AwaitHost();
  client_->Write(std::move(*(**frame).mutable_data()), lifetime_.Guard([this](const absl::Status& status) {
    if (!status.ok()) return Finish(status);
    ReadStream();
  }));
}

}  // namespace slicelet::shim
