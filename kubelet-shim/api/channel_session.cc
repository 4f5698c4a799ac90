#include <algorithm>
#include <utility>

#include "kubelet-shim/api/stream_session.h"

namespace slicelet::shim {
namespace {

/// Of a frame of the stream.
constexpr std::size_t kMaxData = std::size_t{32} << 10;

}  // namespace

ChannelSession::ChannelSession(Parts parts, ChannelTranslator translator)
    : StreamSession(std::move(parts)), translator_(std::move(translator)) {}

void ChannelSession::Accepted() { ReadRuntime(); }

void ChannelSession::ReadRuntime() {
  if (!std::exchange(reading_runtime_, true)) ReadStream();
}

void ChannelSession::Received(absl::StatusOr<std::optional<v1::StreamFrame>> frame) {
  reading_runtime_ = false;
  // Without WebSocket's goodbye the client sees that the command's end is not known.
  if (!frame.ok()) return client_ ? Finish(frame.status()) : Refuse(frame.status());
  if (!frame->has_value() || (*frame)->has_half_close()) return RuntimeEnded();
  auto output = translator_.FromRuntime((*frame)->data());
  if (!output.ok()) return client_ ? Finish(output.status()) : Refuse(output.status());
  if (!translator_.upgraded()) return ReadRuntime();
  if (!client_) client_ = exchange().Hijack();
  Pass(*output);
}

void ChannelSession::RuntimeEnded() {
  if (!client_)
    return Refuse(absl::InternalError("the container runtime ended the connection before it was opened"));
  ending_ = true;
  if (translator_.ended()) to_client_ += WebSocketClose();
  WriteClient();
}

void ChannelSession::ReadClient() {
  if (std::exchange(reading_client_, true)) return;
  client_->Read(lifetime_.Guard([this](const absl::StatusOr<std::string>& data) { Said(data); }));
}

void ChannelSession::Said(const absl::StatusOr<std::string>& data) {
  reading_client_ = false;
  if (!data.ok()) return Finish(data.status());
  const auto gone = absl::CancelledError("the client closed the connection");
  if (data->empty()) return Finish(gone);
  // Nobody reads any more what the client goes on to say.
  if (ending_) return;
  auto output = translator_.FromClient(*data);
  if (!output.ok()) return Finish(output.status());
  if (output->closed) {
    if (!writing_client_) client_->Write(std::move(output->to_client), [](const absl::Status&) {});
    return Finish(gone);
  }
  Pass(*output);
}

void ChannelSession::Pass(const ChannelTranslator::Output& output) {
  to_client_ += output.to_client;
  to_runtime_ += output.to_runtime;
  if (std::max(to_client_.size(), to_runtime_.size()) > kMaxWaiting)
    return Finish(absl::ResourceExhaustedError("too many pings are not answered yet"));
  WriteRuntime();
  WriteClient();
}

void ChannelSession::WriteClient() {
  if (writing_client_) return;
  if (to_client_.empty()) return ending_ ? Finish(absl::OkStatus()) : ReadRuntime();
  writing_client_ = true;
  client_->Write(std::exchange(to_client_, {}), lifetime_.Guard([this](const absl::Status& status) {
    writing_client_ = false;
    if (!status.ok()) return Finish(status);
    WriteClient();
  }));
}

void ChannelSession::WriteRuntime() {
  if (!writing_runtime_ && !to_runtime_.empty()) {
    writing_runtime_ = true;
    v1::StreamFrame frame;
    frame.set_data(to_runtime_.substr(0, kMaxData));
    to_runtime_.erase(0, kMaxData);
    stream().Write(std::move(frame), lifetime_.Guard([this](const absl::Status& status) {
      // Why the stream is over shows in its read.
      if (!status.ok()) return;
      writing_runtime_ = false;
      WriteRuntime();
    }));
  }
  if (to_runtime_.empty() && translator_.opened()) ReadClient();
}

}  // namespace slicelet::shim
