#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "common/base/ids.h"
#include "common/base/random.h"
#include "common/base/time.h"
#include "common/loop/loop.h"
#include "common/stream/frame_stream.h"
#include "slicelet/v1/link.pb.h"
#include "slicelet/v1/stream.pb.h"

namespace slicelet::provider {

/// Reads logs of hosts that no stream can be opened to: piece after piece, by commands. A piece is asked for
/// when the former one was written onward, and again when no answer comes.
class LogReadings {
 public:
  static constexpr std::size_t kMaxReadings = 1'000;
  /// Longer than a host waits for something to be written.
  static constexpr Duration kAnswerWithin = std::chrono::seconds(20);
  static constexpr int kMaxAttempts = 3;
  /// Frames of a stream are not larger.
  static constexpr std::size_t kFrameBytes = std::size_t{32} * 1024;

  /// Dropped by it when the host is not connected.
  using Send = std::function<void(const HostId&, v1::Command)>;

  LogReadings(Loop& loop, Clock& clock, Random& random, Send send)
      : loop_(loop), clock_(clock), random_(random), send_(std::move(send)) {}

  void Open(const HostId& host, const v1::StreamHead& head, std::shared_ptr<FrameStream> stream);
  /// A host's answer with a piece of a log.
  void OnReply(const HostId& host, const v1::Reply& reply);
  /// Ends everything of a host at once.
  void Close(const HostId& host, const absl::Status& status);
  [[nodiscard]] std::size_t open() const { return readings_.size(); }

 private:
  struct Reading {
    explicit Reading(Loop& loop) : timeout(loop) {}

    HostId host;
    v1::StreamHead head;
    std::shared_ptr<FrameStream> stream;
    /// Of the piece that is asked for, or written onward.
    std::uint64_t number = 1;
    int attempts = 0;
    bool begun = false;
    bool last = false;
    absl::Status end;
    std::deque<v1::StreamFrame> frames;
    Timer timeout;
  };

  void Ask(const std::string& id, Reading& reading);
  void WriteOn(const std::string& id, Reading& reading);
  /// Ends the stream and tells the host, unless it said so itself.
  void End(const std::string& id, const absl::Status& status, bool tell);

  Loop& loop_;
  Clock& clock_;
  Random& random_;
  const Send send_;
  std::map<std::string, std::unique_ptr<Reading>> readings_;
  Lifetime lifetime_;
};

}  // namespace slicelet::provider
