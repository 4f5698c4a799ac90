#include "kubelet-shim/channels/websocket.h"

#include <openssl/sha.h>

#include <algorithm>
#include <array>

#include "common/base/encoding.h"

namespace slicelet::shim {
namespace {

constexpr char kGuid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
constexpr std::uint8_t kFinal = 0x80;
constexpr std::uint8_t kMasked = 0x80;
constexpr std::size_t kMaskBytes = 4;
/// RFC 6455, 5.5.
constexpr std::uint64_t kMaxControlBytes = 125;

bool IsControl(WebSocketOpcode opcode) { return static_cast<std::uint8_t>(opcode) >= 8; }

std::uint8_t Byte(const std::string& text, std::size_t at) { return static_cast<std::uint8_t>(text[at]); }

}  // namespace

std::string WebSocketAnswer(const std::string& key, const std::string& subprotocol) {
  const std::string text = key + kGuid;
  std::array<unsigned char, SHA_DIGEST_LENGTH> digest{};
  SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  return "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
         "Sec-WebSocket-Accept: " +
         Base64Encode(std::string_view(reinterpret_cast<const char*>(digest.data()), digest.size())) +
         "\r\nSec-WebSocket-Protocol: " + subprotocol + "\r\n\r\n";
}

std::string WebSocketFrame(WebSocketOpcode opcode, std::string_view payload) {
  std::string frame(1, static_cast<char>(kFinal | static_cast<std::uint8_t>(opcode)));
  const auto append = [&](std::uint64_t value, int bytes) {
    for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8)
      frame += static_cast<char>(value >> shift & 0xff);
  };
  if (payload.size() <= kMaxControlBytes) {
    append(payload.size(), 1);
  } else if (payload.size() <= 0xffff) {
    append(126, 1);
    append(payload.size(), 2);
  } else {
    append(127, 1);
    append(payload.size(), 8);
  }
  return frame.append(payload);
}

std::string WebSocketClose() {
  // 1000: what the connection was for is done.
  return WebSocketFrame(WebSocketOpcode::kClose, "\x03\xe8");
}

std::size_t WebSocketReader::HeadSize() const {
  if (head_.size() < 2) return 2;
  const int length = Byte(head_, 1) & ~kMasked;
  return 2 + (length == 126 ? 2 : length == 127 ? 8 : 0) + kMaskBytes;
}

absl::Status WebSocketReader::ReadHead() {
  const auto broken = [](const char* what) {
    return absl::InvalidArgumentError(std::string("WebSocket: ") + what);
  };
  if ((Byte(head_, 0) & 0x70) != 0) return broken("a frame uses an extension that was not agreed on");
  if ((Byte(head_, 1) & kMasked) == 0) return broken("a client's frame is not masked");
  final_ = (Byte(head_, 0) & kFinal) != 0;
  opcode_ = static_cast<WebSocketOpcode>(Byte(head_, 0) & 0x0f);
  left_ = Byte(head_, 1) & ~kMasked;
  if (left_ >= 126) {
    left_ = 0;
    for (std::size_t at = 2; at + kMaskBytes < head_.size(); ++at) left_ = left_ << 8 | Byte(head_, at);
  }
  at_ = 0;
  switch (opcode_) {
    case WebSocketOpcode::kContinuation:
      if (!in_message_) return broken("there is no message to continue");
      begins_ = false;
      break;
    case WebSocketOpcode::kText:
    case WebSocketOpcode::kBinary:
      if (in_message_) return broken("a message begins within another");
      begins_ = true;
      break;
    case WebSocketOpcode::kClose:
    case WebSocketOpcode::kPing:
    case WebSocketOpcode::kPong:
      if (!final_ || left_ > kMaxControlBytes) return broken("a control frame is too large");
      control_.clear();
      break;
    default:
      return broken("a frame is of no known kind");
  }
  if (!IsControl(opcode_)) in_message_ = !final_;
  in_frame_ = true;
  return absl::OkStatus();
}

void WebSocketReader::Payload(std::string_view masked, std::vector<WebSocketPiece>& pieces) {
  std::string data(masked);
  const std::size_t mask = head_.size() - kMaskBytes;
  for (char& c : data) c = static_cast<char>(c ^ head_[mask + at_++ % kMaskBytes]);
  left_ -= data.size();
  in_frame_ = left_ != 0;
  if (!IsControl(opcode_)) {
    if (begins_ || !data.empty())
      pieces.push_back({WebSocketPiece::Kind::kMessage, begins_, std::move(data)});
    begins_ = false;
    return;
  }
  control_ += data;
  if (in_frame_ || opcode_ == WebSocketOpcode::kPong) return;
  pieces.push_back(
      {opcode_ == WebSocketOpcode::kPing ? WebSocketPiece::Kind::kPing : WebSocketPiece::Kind::kClose, false,
       control_});
}

absl::StatusOr<std::vector<WebSocketPiece>> WebSocketReader::Read(std::string_view bytes) {
  std::vector<WebSocketPiece> pieces;
  while (!bytes.empty()) {
    if (!in_frame_) {
      head_ += bytes.front();
      bytes.remove_prefix(1);
      if (head_.size() < HeadSize()) continue;
      SLICELET_RETURN_IF_ERROR(ReadHead());
      // An empty frame is complete with its head.
      if (left_ == 0) Payload("", pieces);
    } else {
      const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size()));
      Payload(bytes.substr(0, size), pieces);
      bytes.remove_prefix(size);
    }
    if (!in_frame_) head_.clear();
  }
  return pieces;
}

}  // namespace slicelet::shim
