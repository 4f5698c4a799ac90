#include "kubelet-shim/channels/spdy.h"

#include <algorithm>

namespace slicelet::shim {
namespace {

constexpr std::size_t kHeadBytes = 8;
constexpr std::uint32_t kControl = 0x8000'0000;
constexpr std::uint32_t kVersion = 3;
constexpr std::uint32_t kFinish = 0x0100'0000;
constexpr std::uint32_t kLength = 0x00ff'ffff;

enum ControlFrame : std::uint16_t { kSynStream = 1, kSynReply = 2, kRstStream = 3, kPing = 6 };

void Append32(std::string& text, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) text += static_cast<char>(value >> shift & 0xff);
}

std::uint32_t Read32(const std::string& text, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<std::uint8_t>(text[at + i]);
  return value;
}

void AppendHead(std::string& frame, ControlFrame type, std::size_t length) {
  Append32(frame, kControl | kVersion << 16 | type);
  Append32(frame, static_cast<std::uint32_t>(length));
}

/// A block of DEFLATE (RFC 1951) that holds its text as it is.
void AppendStored(std::string& text, std::string_view stored) {
  const auto size = static_cast<std::uint16_t>(stored.size());
  text += '\0';
  for (const auto value : {size, static_cast<std::uint16_t>(~size)}) {
    text += static_cast<char>(value & 0xff);
    text += static_cast<char>(value >> 8);
  }
  text += stored;
}

}  // namespace

std::string SpdyWriter::Open(std::uint32_t id, std::string_view name, std::string_view value) {
  std::string headers;
  Append32(headers, 1);
  for (const auto text : {name, value}) {
    Append32(headers, static_cast<std::uint32_t>(text.size()));
    headers += text;
  }
  // SPDY wants zlib (RFC 1950), which leaves it to the writer whether it compresses, and whether it uses the
  // dictionary of SPDY/3. A few words once in a session are not worth either.
  std::string block;
  if (!compressing_) block += "\x78\x01";
  compressing_ = true;
  AppendStored(block, headers);
  // The reader has a whole block only behind an empty one.
  AppendStored(block, "");

  std::string frame;
  AppendHead(frame, kSynStream, 10 + block.size());
  Append32(frame, id);
  // No associated stream, the highest priority, no slot.
  Append32(frame, 0);
  frame += std::string(2, '\0');
  return frame + block;
}

std::string SpdyWriter::Data(std::uint32_t id, std::string_view data) {
  std::string frame;
  Append32(frame, id);
  Append32(frame, static_cast<std::uint32_t>(data.size()));
  return frame.append(data);
}

std::string SpdyWriter::End(std::uint32_t id) {
  std::string frame;
  Append32(frame, id);
  Append32(frame, kFinish);
  return frame;
}

std::string SpdyWriter::Pong(std::uint32_t ping) {
  std::string frame;
  AppendHead(frame, kPing, 4);
  Append32(frame, ping);
  return frame;
}

absl::Status SpdyReader::ReadHead(std::vector<SpdyEvent>& events) {
  const std::uint32_t first = Read32(head_, 0);
  const std::uint32_t length = Read32(head_, 4) & kLength;
  if ((first & kControl) == 0) {
    if (first == 0) return absl::InvalidArgumentError("SPDY: data without a stream");
    data_of_ = first;
    left_ = length;
    head_.clear();
    return absl::OkStatus();
  }
  if ((first & ~kControl) >> 16 != kVersion) return absl::InvalidArgumentError("SPDY: not version 3");
  const auto type = static_cast<std::uint16_t>(first);
  const bool named = type == kSynReply || type == kRstStream || type == kPing;
  if (named && length < 4) return absl::InvalidArgumentError("SPDY: a frame is too short");
  if (named && head_.size() < kHeadBytes + 4) return absl::OkStatus();
  if (named) {
    const std::uint32_t id = Read32(head_, kHeadBytes);
    const auto kind = type == kSynReply    ? SpdyEvent::Kind::kReply
                      : type == kRstStream ? SpdyEvent::Kind::kReset
                                           : SpdyEvent::Kind::kPing;
    events.push_back({kind, id, ""});
  }
  data_of_ = 0;
  left_ = length - (named ? 4 : 0);
  head_.clear();
  return absl::OkStatus();
}

absl::StatusOr<std::vector<SpdyEvent>> SpdyReader::Read(std::string_view bytes) {
  std::vector<SpdyEvent> events;
  while (!bytes.empty()) {
    if (left_ == 0) {
      head_ += bytes.front();
      bytes.remove_prefix(1);
      if (head_.size() >= kHeadBytes) SLICELET_RETURN_IF_ERROR(ReadHead(events));
      continue;
    }
    const auto piece = bytes.substr(0, left_);
    if (data_of_ != 0) events.push_back({SpdyEvent::Kind::kData, data_of_, std::string(piece)});
    left_ -= static_cast<std::uint32_t>(piece.size());
    bytes.remove_prefix(piece.size());
  }
  return events;
}

}  // namespace slicelet::shim
