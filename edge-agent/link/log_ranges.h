#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "common/base/time.h"
#include "common/loop/loop.h"
#include "common/stream/frame_stream.h"
#include "slicelet/v1/link.pb.h"

namespace slicelet::agent {

/// Serves logs piece by piece over the session, for a link that has no room for streams.
///
/// The hub asks for piece after piece of a reading; one that it asks for again, because no answer came, is
/// the same one. Following is asking on: a piece waits for something to be written, and is empty when nothing
/// was. A log is read no further ahead than one piece, so the reader's pace is the pace of the link.
class LogRanges {
 public:
  static constexpr std::size_t kPieceBytes = std::size_t{48} * 1024;
  static constexpr std::size_t kMaxReadings = 16;
  /// Lines that are written close together travel together.
  static constexpr Duration kGather = std::chrono::milliseconds(100);
  /// How long a piece waits for something to be written.
  static constexpr Duration kQuiet = std::chrono::seconds(10);
  /// A reading that nobody has asked for so long is over.
  static constexpr Duration kAbandoned = std::chrono::minutes(2);

  using Serve = std::function<void(const v1::StreamHead&, std::shared_ptr<FrameStream>)>;
  using Answer = std::function<void(const v1::Reply&)>;

  LogRanges(Loop& loop, Serve serve, Answer answer)
      : loop_(loop), serve_(std::move(serve)), answer_(std::move(answer)) {}

  void Ask(const std::string& request_id, const v1::LogRange& range);
  [[nodiscard]] std::size_t open() const { return readings_.size(); }

 private:
  struct Reading {
    explicit Reading(Loop& loop) : gather(loop), quiet(loop), abandoned(loop) {}

    std::shared_ptr<FrameStream> stream;
    /// Read and not sent.
    std::string text;
    bool under_way = false;
    /// Set when the log has ended.
    std::optional<absl::Status> end;
    /// The answer to the last piece asked for, and the request that waits for the next.
    v1::Reply last;
    std::optional<std::string> waiting;
    Timer gather;
    Timer quiet;
    Timer abandoned;
  };

  void Open(const std::string& id, const v1::StreamHead& head);
  void ReadOn(const std::string& id, Reading& reading);
  void OnFrame(const std::string& id, const absl::StatusOr<std::optional<v1::StreamFrame>>& frame);
  void Send(Reading& reading);
  void Refuse(const std::string& request_id, const v1::LogRange& range, const absl::Status& status);

  Loop& loop_;
  const Serve serve_;
  const Answer answer_;
  std::map<std::string, std::unique_ptr<Reading>> readings_;
  Lifetime lifetime_;
};

}  // namespace slicelet::agent
