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
    v1::StreamFrame frame;
    *frame.mutable_data() = std::move(*data);
    stream().Write(std::move(frame), lifetime_.Guard([this](const absl::Status& status) {
      // Why the stream is over shows in its read.
      if (status.ok()) ReadClient();
    }));
  }));
}

void UpgradeSession::ClientEnded() {
  client_ended_ = true;
  v1::StreamFrame frame;
  frame.mutable_half_close();
  stream().Write(std::move(frame), [](const absl::Status&) {});
  silence_.Set(kHalfClosedSilence,
               [this] { Finish(absl::CancelledError("the client closed the connection")); });
}

void UpgradeSession::Received(absl::StatusOr<std::optional<v1::StreamFrame>> frame) {
  if (!frame.ok()) return Finish(frame.status());
  // The runtime's side is over, and with it the exchange: none of the tunnelled protocols goes on one-way.
  if (!frame->has_value() || (*frame)->has_half_close()) return Finish(absl::OkStatus());
  if (client_ended_) {
    silence_.Set(kHalfClosedSilence,
                 [this] { Finish(absl::CancelledError("the client closed the connection")); });
  }
  if ((*frame)->data().empty()) return ReadStream();
  client_->Write(std::move(*(**frame).mutable_data()), lifetime_.Guard([this](const absl::Status& status) {
    if (!status.ok()) return Finish(status);
    ReadStream();
  }));
}

}  // namespace slicelet::shim
