#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/status.h"
#include "kubelet-shim/channels/spdy.h"
#include "kubelet-shim/channels/websocket.h"

namespace slicelet::shim {

/// Kubernetes' WebSocket subprotocol of exec and attach in which standard input can end.
inline constexpr char kChannelsV5[] = "v5.channel.k8s.io";

/// Stands between a WebSocket client that speaks v5.channel.k8s.io and a container runtime's streaming server
/// that speaks SPDY/3.1, as the API server does between kubectl and a kubelet (KEP-4006). No runtime knows
/// v5, and v4 has no word for the end of standard input. Pure: bytes in, bytes out.
///
/// A message begins with its channel: 0 to 2 standard streams, 3 the end (metav1.Status), 4 the terminal's
/// size
/// ({"Width":w,"Height":h}); [255, N] closes channel N. Each channel is a SPDY stream.
class ChannelTranslator {
 public:
  static constexpr std::size_t kMaxAnswerHead = std::size_t{16} << 10;

  /// What was asked for of the runtime; a terminal has no stderr, and a channel for its size.
  struct Streams {
    bool in = false;
    bool out = false;
    bool err = false;
    bool tty = false;
  };
  struct Output {
    std::string to_client;
    std::string to_runtime;
    /// The client said goodbye.
    bool closed = false;
  };

  /// `websocket_key` is the client's Sec-WebSocket-Key.
  ChannelTranslator(Streams streams, std::string websocket_key);

  /// The runtime's answer to the upgrade, then SPDY. FailedPrecondition when it did not upgrade; until it did
  /// nothing goes to the client.
  absl::StatusOr<Output> FromRuntime(std::string_view bytes);
  /// What the client sends after its handshake; only when `opened`.
  absl::StatusOr<Output> FromClient(std::string_view bytes);

  /// The runtime has upgraded, and the client has its answer.
  [[nodiscard]] bool upgraded() const { return upgraded_; }
  /// The runtime has taken all streams. What is sent to it before would be lost.
  [[nodiscard]] bool opened() const { return upgraded_ && waiting_for_ == 0; }
  /// The client was told how the command ended.
  [[nodiscard]] bool ended() const { return ended_; }

 private:
  enum Channel : std::uint8_t { kIn = 0, kOut = 1, kErr = 2, kEnd = 3, kResize = 4, kClose = 255 };
  static constexpr std::size_t kChannels = 5;
  struct Stream {
    /// 0: there is none.
    std::uint32_t id = 0;
    bool replied = false;
    /// We, or the runtime, ended our direction.
    bool closed = false;
  };

  absl::Status ReadAnswer(std::string_view& bytes, Output& output);
  void Open(Channel channel, const char* type, Output& output);
  [[nodiscard]] std::optional<Channel> Find(std::uint32_t id) const;
  void Replied(Stream& stream);
  absl::Status FromClient(const WebSocketPiece& piece, Output& output);
  absl::Status CloseChannel(std::uint8_t channel, Output& output);

  const Streams wanted_;
  const std::string websocket_key_;
  std::string answer_;
  bool upgraded_ = false;
  bool ended_ = false;
  std::array<Stream, kChannels> streams_;
  int waiting_for_ = 0;
  SpdyWriter writer_;
  SpdyReader runtime_;
  WebSocketReader client_;
  /// Of the client's message that is being read.
  std::optional<std::uint8_t> channel_;
};

}  // namespace slicelet::shim
