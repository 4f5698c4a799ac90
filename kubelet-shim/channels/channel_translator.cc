#include "kubelet-shim/channels/channel_translator.h"

#include <utility>

namespace slicelet::shim {

ChannelTranslator::ChannelTranslator(Streams streams, std::string websocket_key)
    : wanted_(streams), websocket_key_(std::move(websocket_key)) {}

void ChannelTranslator::Open(Channel channel, const char* type, Output& output) {
  Stream& stream = streams_.at(channel);
  stream.id = 2U * static_cast<std::uint32_t>(waiting_for_++) + 1;
  output.to_runtime += writer_.Open(stream.id, "streamtype", type);
}

absl::Status ChannelTranslator::ReadAnswer(std::string_view& bytes, Output& output) {
  const auto had = answer_.size();
  answer_ += bytes;
  const auto end = answer_.find("\r\n\r\n");
  if (end == std::string::npos && answer_.size() <= kMaxAnswerHead) {
    bytes = {};
    return absl::OkStatus();
  }
  const std::string line = answer_.substr(0, answer_.find("\r\n"));
  if (end == std::string::npos || line.rfind("HTTP/1.1 101 ", 0) != 0) {
    return absl::FailedPreconditionError("the container runtime did not open the streams: " +
                                         line.substr(0, 100));
  }
  bytes.remove_prefix(end + 4 - had);
  answer_.clear();
  upgraded_ = true;
  output.to_client = WebSocketAnswer(websocket_key_, kChannelsV5);
  // As Kubernetes' servers do: an empty message says that the session has begun.
  const Channel first = wanted_.out ? kOut : wanted_.err ? kErr : kEnd;
  output.to_client += WebSocketFrame(WebSocketOpcode::kBinary, std::string(1, static_cast<char>(first)));
  Open(kEnd, "error", output);
  if (wanted_.in) Open(kIn, "stdin", output);
  if (wanted_.out) Open(kOut, "stdout", output);
  if (wanted_.err) Open(kErr, "stderr", output);
  if (wanted_.tty) Open(kResize, "resize", output);
  return absl::OkStatus();
}

std::optional<ChannelTranslator::Channel> ChannelTranslator::Find(std::uint32_t id) const {
  for (const Channel channel : {kIn, kOut, kErr, kEnd, kResize}) {
    if (streams_.at(channel).id == id && id != 0) return channel;
  }
  return std::nullopt;
}

void ChannelTranslator::Replied(Stream& stream) {
  if (!std::exchange(stream.replied, true)) --waiting_for_;
}

absl::StatusOr<ChannelTranslator::Output> ChannelTranslator::FromRuntime(std::string_view bytes) {
  Output output;
  if (!upgraded_) SLICELET_RETURN_IF_ERROR(ReadAnswer(bytes, output));
  SLICELET_ASSIGN_OR_RETURN(const auto events, runtime_.Read(bytes));
  for (const SpdyEvent& event : events) {
    if (event.kind == SpdyEvent::Kind::kPing) {
      output.to_runtime += SpdyWriter::Pong(event.id);
      continue;
    }
    const auto channel = Find(event.id);
    if (!channel) continue;
    Stream& stream = streams_.at(*channel);
    switch (event.kind) {
      case SpdyEvent::Kind::kReset:
        stream.closed = true;
        Replied(stream);
        break;
      case SpdyEvent::Kind::kReply:
        Replied(stream);
        break;
      case SpdyEvent::Kind::kData:
        if (*channel == kIn || *channel == kResize) break;
        ended_ = ended_ || *channel == kEnd;
        output.to_client += WebSocketFrame(WebSocketOpcode::kBinary,
                                           std::string(1, static_cast<char>(*channel)) + event.data);
        break;
      case SpdyEvent::Kind::kPing:
        break;
    }
  }
  return output;
}

absl::StatusOr<ChannelTranslator::Output> ChannelTranslator::FromClient(std::string_view bytes) {
  Output output;
  SLICELET_ASSIGN_OR_RETURN(const auto pieces, client_.Read(bytes));
  for (const WebSocketPiece& piece : pieces) {
    switch (piece.kind) {
      case WebSocketPiece::Kind::kMessage:
        SLICELET_RETURN_IF_ERROR(FromClient(piece, output));
        break;
      case WebSocketPiece::Kind::kPing:
        output.to_client += WebSocketFrame(WebSocketOpcode::kPong, piece.data);
        break;
      case WebSocketPiece::Kind::kClose:
        output.to_client += WebSocketClose();
        output.closed = true;
        return output;
    }
  }
  return output;
}

absl::Status ChannelTranslator::FromClient(const WebSocketPiece& piece, Output& output) {
  std::string_view data = piece.data;
  if (piece.begins) channel_.reset();
  if (data.empty()) return absl::OkStatus();
  if (!channel_) {
    channel_ = static_cast<std::uint8_t>(data.front());
    data.remove_prefix(1);
  }
  if (data.empty()) return absl::OkStatus();
  if (*channel_ == kClose) {
    if (data.size() != 1)
      return absl::InvalidArgumentError("to close a channel takes its number and nothing else");
    return CloseChannel(static_cast<std::uint8_t>(data.front()), output);
  }
  // What is sent to a channel that was not asked for is ignored, as Kubernetes' servers do.
  if (*channel_ != kIn && *channel_ != kResize) return absl::OkStatus();
  const Stream& stream = streams_.at(*channel_);
  if (stream.id != 0 && !stream.closed) output.to_runtime += SpdyWriter::Data(stream.id, data);
  return absl::OkStatus();
}

absl::Status ChannelTranslator::CloseChannel(std::uint8_t channel, Output& output) {
  if (channel >= kChannels)
    return absl::InvalidArgumentError("channel " + std::to_string(channel) +
                                      " can not be closed, there is none");
  if (channel != kIn && channel != kResize) return absl::OkStatus();
  Stream& stream = streams_.at(channel);
  if (stream.id != 0 && !std::exchange(stream.closed, true)) output.to_runtime += SpdyWriter::End(stream.id);
  return absl::OkStatus();
}

}  // namespace slicelet::shim
