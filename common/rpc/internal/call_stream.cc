#include "common/rpc/internal/call_stream.h"

namespace slicelet {
namespace {

class CallStream final : public FrameStream {
 public:
  CallStream(Loop& loop, std::shared_ptr<FrameCall> call) : loop_(loop), call_(std::move(call)) {
    call_->Observe({.on_read = lifetime_.Guard([this](v1::StreamFrame frame) { Received(std::move(frame)); }),
                    .on_written = lifetime_.Guard([this](bool ok) { Written(ok); }),
                    .on_over = lifetime_.Guard([this](const absl::Status& status) { Over(status); })});
  }

  ~CallStream() override {
    if (!finish_) {
      call_->End(absl::CancelledError("the peer cancelled the stream"));
      return;
    }
    // Finished, but the last write is still on its way: the call ends itself behind it.
    if (writer_) {
      call_->Observe({.on_read = {},
                      .on_written =
                          [weak = std::weak_ptr(call_), status = *finish_](bool) {
                            if (const auto call = weak.lock()) call->End(status);
                          },
                      .on_over = [](const absl::Status&) {}});
    }
  }

  void Read(OnFrame on_frame) override {
    reader_ = std::move(on_frame);
    if (over_) return loop_.Post(lifetime_.Guard([this] { AnswerReader(); }));
    if (!finish_) call_->Read();
  }

  void Write(v1::StreamFrame frame, StatusCallback written) override {
    if (over_ || finish_) {
      loop_.Post([written = std::move(written)] { written(absl::CancelledError("the stream has ended")); });
      return;
    }
    writer_ = std::move(written);
    call_->Write(std::move(frame));
  }

  void Finish(absl::Status status) override {
    if (finish_) return;
    finish_ = std::move(status);
    if (!writer_) call_->End(*finish_);
  }

 private:
  void Received(v1::StreamFrame frame) {
    const auto reader = std::exchange(reader_, nullptr);
    if (reader) reader(std::optional(std::move(frame)));
  }

  void Written(bool ok) {
    // A failed write is answered by what follows it: why the stream is over.
    if (!ok) return;
    const auto writer = std::exchange(writer_, nullptr);
    if (finish_) call_->End(*finish_);
    if (writer) writer(absl::OkStatus());
  }

  void Over(const absl::Status& status) {
    over_ = status;
    auto guarded = lifetime_.Guard([this] { AnswerReader(); });
    const auto writer = std::exchange(writer_, nullptr);
    if (writer) writer(status.ok() ? absl::CancelledError("the stream has ended") : status);
    guarded();
  }

  void AnswerReader() {
    const auto reader = std::exchange(reader_, nullptr);
    if (!reader) return;
    if (over_->ok()) return reader(std::optional<v1::StreamFrame>());
    reader(*over_);
  }

  Loop& loop_;
  std::shared_ptr<FrameCall> call_;
  OnFrame reader_;
  StatusCallback writer_;
  std::optional<absl::Status> finish_;
  std::optional<absl::Status> over_;
  Lifetime lifetime_;
};

}  // namespace

std::unique_ptr<FrameStream> MakeCallStream(Loop& loop, std::shared_ptr<FrameCall> call) {
  return std::make_unique<CallStream>(loop, std::move(call));
}

}  // namespace slicelet
