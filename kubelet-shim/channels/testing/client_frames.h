#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace slicelet::shim {

/// What a WebSocket client sends (RFC 6455, 5.2): `first` is the frame's first byte, 0x82 for a whole binary
/// message.
inline std::string ClientFrame(std::uint8_t first, std::string_view payload) {
  std::string frame(1, static_cast<char>(first));
  const auto append = [&](std::uint64_t value, int bytes) {
    for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8)
      frame += static_cast<char>(value >> shift & 0xff);
  };
  if (payload.size() < 126) {
    append(0x80 | payload.size(), 1);
  } else if (payload.size() <= 0xffff) {
    append(0x80 | 126, 1);
    append(payload.size(), 2);
  } else {
    append(0x80 | 127, 1);
    append(payload.size(), 8);
  }
  constexpr std::string_view kMask = "\x11\x22\x33\x44";
  frame += kMask;
  for (std::size_t at = 0; at < payload.size(); ++at)
    frame += static_cast<char>(payload[at] ^ kMask[at % kMask.size()]);
  return frame;
}

/// A message on a channel.
inline std::string ClientMessage(std::uint8_t channel, std::string_view data) {
  return ClientFrame(0x82, std::string(1, static_cast<char>(channel)).append(data));
}

}  // namespace slicelet::shim
