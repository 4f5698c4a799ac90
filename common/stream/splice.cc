#include <utility>

#include "common/stream/frame_stream.h"

namespace slicelet {
namespace {

/// Two pumps, one per direction. Each reads the next frame only when the last one was written onward, which
/// is the whole of the back-pressure.
class Splicer : public std::enable_shared_from_this<Splicer> {
 public:
  Splicer(std::shared_ptr<FrameStream> a, std::shared_ptr<FrameStream> b, StatusCallback done)
      : a_(std::move(a)), b_(std::move(b)), done_(std::move(done)) {}

  void Start() {
    // While neither is read from nor written to, because a write to the other is blocked.
    for (const auto& stream : {a_, b_}) {
      stream->OnBroken([weak = weak_from_this()](const absl::Status& status) {
        const auto self = weak.lock();
        if (self && !self->finished_) self->End(status);
      });
    }
    Pump(a_.get(), b_.get());
    Pump(b_.get(), a_.get());
  }

 private:
  /// Pointers, because a stream that held itself through its callback would never be destroyed. They live as
  /// long as this object is not finished.
  void Pump(FrameStream* from, FrameStream* to) {
    from->Read([weak = weak_from_this(), from, to](absl::StatusOr<std::optional<v1::StreamFrame>> frame) {
      const auto self = weak.lock();
      if (!self || self->finished_) return;
      if (!frame.ok()) return self->End(frame.status());
      if (!frame->has_value()) return self->End(absl::OkStatus());
      to->Write(std::move(**frame), [weak, from, to](const absl::Status& status) {
        const auto self = weak.lock();
        if (!self || self->finished_) return;
        if (!status.ok()) return self->End(status);
        self->Pump(from, to);
      });
    });
  }

  void End(const absl::Status& status) {
    finished_ = true;
    a_->Finish(status);
    b_->Finish(status);
    const auto done = std::move(done_);
    a_.reset();
    b_.reset();
    if (done) done(status);
  }

  std::shared_ptr<FrameStream> a_;
  std::shared_ptr<FrameStream> b_;
  StatusCallback done_;
  bool finished_ = false;
};

}  // namespace

std::shared_ptr<void> Splice(std::shared_ptr<FrameStream> a, std::shared_ptr<FrameStream> b,
                             StatusCallback done) {
  auto splicer = std::make_shared<Splicer>(std::move(a), std::move(b), std::move(done));
  splicer->Start();
  return splicer;
}

}  // namespace slicelet
