#include "common/rpc/internal/call_stream.h"

#include "common/log/log.h"

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
    // Finished in order, but the last write is still on its way: the call ends itself behind it.
    if (writer_ && finish_->ok()) {
      call_->Observe({.on_read = {},
                      .on_written =
                          [weak = std::weak_ptr(call_), status = *finish_](bool) {
                            if (const auto call = weak.lock()) call->End(status);
                          },
                      .on_over = [](const absl::Status&) {}});
    }
  }

  void Read(OnFrame on_frame) override {
    if (early_) {
      loop_.Post(lifetime_.Guard([on_frame = std::move(on_frame), frame = std::move(*early_)]() mutable {
        on_frame(std::optional(std::move(frame)));
      }));
      early_.reset();
      return;
    }
    reader_ = std::move(on_frame);
    if (over_) return loop_.Post(lifetime_.Guard([this] { AnswerReader(); }));
    if (!finish_) call_->Read();
  }

  void Write(v1::StreamFrame frame, StatusCallback written) override {
    if (over_ || finish_ || write_failed_) {
      loop_.Post([written = std::move(written)] { written(absl::CancelledError("the stream has ended")); });
      return;
    }
    if (writer_) {
      // A mistake of ours costs this stream; gRPC would end the program, and with it every stream.
      const auto mistake = absl::InternalError("a frame was written while another one was");
      LogError("stream ended", {{"why", Message(mistake)}});
      loop_.Post([written = std::move(written), mistake] { written(mistake); });
      loop_.Post(lifetime_.Guard([this, mistake] { Over(mistake); }));
      return call_->End(mistake);
    }
    writer_ = std::move(written);
    call_->Write(std::move(frame));
  }

  void OnBroken(StatusCallback broken) override { broken_ = std::move(broken); }

  void Finish(absl::Status status) override {
    if (finish_) return;
    finish_ = std::move(status);
    // An orderly end comes behind the last write. An error does not wait for it: a peer that does not read
    // would keep the call for ever.
    if (!writer_ || !finish_->ok()) call_->End(*finish_);
  }

 private:
  void Received(v1::StreamFrame frame) {
    const auto reader = std::exchange(reader_, nullptr);
    if (reader) return reader(std::optional(std::move(frame)));
    early_ = std::move(frame);
    const auto writer = std::exchange(writer_, nullptr);
    if (writer) writer(absl::CancelledError("the stream has ended"));
  }

  void Written(bool ok) {
    // A failed write is answered by what follows it: why the stream is over, or a frame that nobody has asked
    // for yet.
    if (!ok) {
      write_failed_ = true;
      return finish_ ? call_->End(*finish_) : call_->Read();
    }
    const auto writer = std::exchange(writer_, nullptr);
    if (finish_) call_->End(*finish_);
    if (writer) writer(absl::OkStatus());
  }

  void Over(const absl::Status& status) {
    if (over_) return;
    over_ = status;
    auto answer_writer = lifetime_.Guard([this] { AnswerWriter(); });
    auto tell_broken = lifetime_.Guard([this] { TellBroken(); });
    // First, because it hears of an orderly end as such. It may destroy this stream.
    AnswerReader();
    answer_writer();
    tell_broken();
  }

  void AnswerReader() {
    const auto reader = std::exchange(reader_, nullptr);
    if (!reader) return;
    if (over_->ok()) return reader(std::optional<v1::StreamFrame>());
    reader(*over_);
  }

  void AnswerWriter() {
    const auto writer = std::exchange(writer_, nullptr);
    if (writer) writer(over_->ok() ? absl::CancelledError("the stream has ended") : *over_);
  }

  void TellBroken() {
    const auto broken = std::exchange(broken_, nullptr);
    if (broken && !over_->ok()) broken(*over_);
  }

  Loop& loop_;
  std::shared_ptr<FrameCall> call_;
  OnFrame reader_;
  StatusCallback writer_;
  /// Came while it was looked for the end.
  std::optional<v1::StreamFrame> early_;
  bool write_failed_ = false;
  StatusCallback broken_;
  std::optional<absl::Status> finish_;
  std::optional<absl::Status> over_;
  Lifetime lifetime_;
};

}  // namespace

std::unique_ptr<FrameStream> MakeCallStream(Loop& loop, std::shared_ptr<FrameCall> call) {
  return std::make_unique<CallStream>(loop, std::move(call));
}

}  // namespace slicelet
