#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/status.h"

namespace slicelet::shim {

/// As much of SPDY/3.1 as a client of a container runtime's streaming server needs: it opens streams, each
/// with one header, writes to them and ends them. The server opens none.
///
/// The server must have replied to a stream before data is sent on it: Go's spdystream drops what comes
/// earlier, even the end.
class SpdyWriter {
 public:
  /// Opens the stream `id`: odd, larger than those before. `name` is in lower case.
  std::string Open(std::uint32_t id, std::string_view name, std::string_view value);

  static std::string Data(std::uint32_t id, std::string_view data);
  /// Our direction of the stream ends.
  static std::string End(std::uint32_t id);
  /// A ping comes back as it was.
  static std::string Pong(std::uint32_t ping);

 private:
  /// All blocks of headers are one compressed text, which has a head.
  bool compressing_ = false;
};

struct SpdyEvent {
  enum class Kind { kReply, kData, kReset, kPing };
  Kind kind = Kind::kData;
  /// The stream, or the ping's number.
  std::uint32_t id = 0;
  std::string data;
};

/// Reads what the server sends as it arrives. Headers of replies, settings and windows are passed over (those
/// servers, like us, leave flow control to TCP), and so is that the server goes away: it says all before.
class SpdyReader {
 public:
  /// The bytes may end anywhere; data comes in pieces as it arrives. InvalidArgument when it is not SPDY/3;
  /// nothing can be read any more then.
  absl::StatusOr<std::vector<SpdyEvent>> Read(std::string_view bytes);

 private:
  absl::Status ReadHead(std::vector<SpdyEvent>& events);

  /// A frame's head, with the first four bytes of the frames whose subject is there.
  std::string head_;
  std::uint32_t left_ = 0;
  /// 0 while what is left is of no interest.
  std::uint32_t data_of_ = 0;
};

}  // namespace slicelet::shim
