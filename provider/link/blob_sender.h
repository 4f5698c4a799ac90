#pragma once

#include <deque>
#include <functional>
#include <string>

#include "common/base/ids.h"
#include "common/loop/loop.h"
#include "slicelet/v1/link.pb.h"

namespace slicelet::provider {

/// Sends the blobs a host asks for, in chunks, a bounded number at a time, so that a status acknowledgement
/// or a command never waits behind megabytes.
class BlobSender {
 public:
  static constexpr std::size_t kChunkBytes = std::size_t{64} * 1024;
  static constexpr int kChunksPerTurn = 16;
  /// Between two turns of a long transfer.
  static constexpr Duration kTurn = std::chrono::milliseconds(5);
  static constexpr std::size_t kMaxWants = 64;

  using Read = std::function<absl::StatusOr<std::string>(const Digest&)>;
  using Send = std::function<void(v1::Blob)>;

  /// `read` answers NotFound for what the hub does not have; the host is told so.
  BlobSender(Loop& loop, Read read, Send send)
      : read_(std::move(read)), send_(std::move(send)), timer_(loop) {}

  /// The newest request replaces what of former ones is not sent yet: a host asks again for all it misses.
  void Fetch(const v1::Fetch& fetch);
  void Clear();

 private:
  struct Want {
    Digest digest;
    std::uint64_t offset = 0;
  };

  void Turn();
  // False when the current want is complete.
  bool SendChunk(Want& want);

  const Read read_;
  const Send send_;
  Timer timer_;
  std::deque<Want> wants_;
  Digest loaded_;
  std::string bytes_;
};

}  // namespace slicelet::provider
