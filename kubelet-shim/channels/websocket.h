#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/status.h"

namespace slicelet::shim {

/// The answer to a WebSocket handshake (RFC 6455, 4.2.2): `key` is the client's Sec-WebSocket-Key.
std::string WebSocketAnswer(const std::string& key, const std::string& subprotocol);

enum class WebSocketOpcode : std::uint8_t {
  kContinuation = 0,
  kText = 1,
  kBinary = 2,
  kClose = 8,
  kPing = 9,
  kPong = 10
};

/// A whole message from the server.
std::string WebSocketFrame(WebSocketOpcode opcode, std::string_view payload);
/// What a server that has nothing more to say says.
std::string WebSocketClose();

/// A piece of what a client says.
struct WebSocketPiece {
  enum class Kind { kMessage, kPing, kClose };
  Kind kind = Kind::kMessage;
  /// Of a message: this is its first piece. A message may be one empty piece.
  bool begins = false;
  std::string data;
};

/// Reads what a WebSocket client sends as it arrives: a message is never held as a whole, so that its size
/// has no limit. Text and binary messages are the same here; pongs are left out.
class WebSocketReader {
 public:
  /// The bytes may end anywhere. InvalidArgument when the client breaks the protocol; nothing can be read any
  /// more then.
  absl::StatusOr<std::vector<WebSocketPiece>> Read(std::string_view bytes);

 private:
  /// How many bytes the head of a frame has, as far as `head_` tells.
  [[nodiscard]] std::size_t HeadSize() const;
  absl::Status ReadHead();
  void Payload(std::string_view masked, std::vector<WebSocketPiece>& pieces);

  std::string head_;
  /// Of the frame whose head is complete.
  std::uint64_t left_ = 0;
  std::uint64_t at_ = 0;
  WebSocketOpcode opcode_ = WebSocketOpcode::kContinuation;
  bool final_ = true;
  bool in_frame_ = false;
  /// A message has begun and its last frame has not.
  bool in_message_ = false;
  /// The next piece is the first of its message.
  bool begins_ = false;
  /// Payload of a ping or close.
  std::string control_;
};

}  // namespace slicelet::shim
