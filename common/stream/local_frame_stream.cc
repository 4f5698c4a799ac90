#include <deque>
#include <utility>

#include "common/loop/loop.h"
#include "common/stream/frame_stream.h"

namespace slicelet {
namespace {

/// One direction of a local stream.
struct Direction {
  std::deque<v1::StreamFrame> frames;
  FrameStream::OnFrame reader;
  /// The one write that waits for room.
  StatusCallback writer;
  /// The reading end's.
  StatusCallback broken;
  /// Set when the writing end finished: readers get what is queued, then this.
  std::optional<absl::Status> end;
};

/// What both ends share. Callbacks are always posted, never called from inside a call of the user's.
struct Wire {
  Wire(Loop& loop, std::size_t window) : loop(loop), window(window) {}

  void Deliver(Direction& direction) {
    if (direction.reader && (!direction.frames.empty() || direction.end)) {
      absl::StatusOr<std::optional<v1::StreamFrame>> result = std::optional<v1::StreamFrame>();
      if (!direction.frames.empty()) {
        result = std::optional(std::move(direction.frames.front()));
        direction.frames.pop_front();
      } else if (!direction.end->ok()) {
        result = *direction.end;
      }
      loop.Post([reader = std::exchange(direction.reader, nullptr), result = std::move(result)]() mutable {
        reader(std::move(result));
      });
    }
    if (direction.writer && direction.frames.size() <= window) Answer(direction.writer, absl::OkStatus());
  }

  void Answer(StatusCallback& callback, const absl::Status& status) {
    if (!callback) return;
    loop.Post([callback = std::exchange(callback, nullptr), status] { callback(status); });
  }

  Loop& loop;
  const std::size_t window;
  Direction directions[2];
};

class LocalFrameStream : public FrameStream {
 public:
  LocalFrameStream(std::shared_ptr<Wire> wire, int end)
      : wire_(std::move(wire)), out_(wire_->directions[end]), in_(wire_->directions[1 - end]) {}

  ~LocalFrameStream() override {
    // No callback may follow the destruction of its stream's user.
    in_.reader = nullptr;
    in_.broken = nullptr;
    out_.writer = nullptr;
    if (!out_.end) End(absl::CancelledError("the peer cancelled the stream"), /*drop=*/true);
  }

  void Read(OnFrame on_frame) override {
    in_.reader = std::move(on_frame);
    wire_->Deliver(in_);
  }

  void Write(v1::StreamFrame frame, StatusCallback written) override {
    if (out_.end || in_.end) {
      return wire_->Answer(written, absl::CancelledError("the stream has ended"));
    }
    out_.frames.push_back(std::move(frame));
    out_.writer = std::move(written);
    wire_->Deliver(out_);
  }

  void OnBroken(StatusCallback broken) override { in_.broken = std::move(broken); }

  void Finish(absl::Status status) override {
    if (!out_.end) End(status, /*drop=*/false);
  }

 private:
  void End(const absl::Status& status, bool drop) {
    out_.end = status;
    if (drop) out_.frames.clear();
    wire_->Answer(out_.writer, absl::OkStatus());
    wire_->Deliver(out_);
    if (!status.ok()) wire_->Answer(out_.broken, status);
    // The stream is over for both: what the peer still writes has no reader.
    if (!in_.end) {
      in_.end = status;
      wire_->Answer(in_.writer, absl::CancelledError("the stream has ended"));
    }
    wire_->Deliver(in_);
  }

  std::shared_ptr<Wire> wire_;
  Direction& out_;
  Direction& in_;
};

}  // namespace

std::pair<std::unique_ptr<FrameStream>, std::unique_ptr<FrameStream>> MakeLocalFrameStreams(Loop& loop,
                                                                                            int window) {
  auto wire = std::make_shared<Wire>(loop, static_cast<std::size_t>(window));
  auto a = std::make_unique<LocalFrameStream>(wire, 0);
  auto b = std::make_unique<LocalFrameStream>(wire, 1);
  return {std::move(a), std::move(b)};
}

}  // namespace slicelet
