#include "provider/logs/answered_log.h"

#include <cstddef>
#include <utility>

namespace slicelet::provider {
namespace {

/// Frames of a stream are not larger.
constexpr std::size_t kFrameBytes = std::size_t{32} * 1024;

/// Lives as long as a write of it is under way.
class LogAnswer : public std::enable_shared_from_this<LogAnswer> {
 public:
  LogAnswer(std::shared_ptr<FrameStream> stream, std::string text)
      : stream_(std::move(stream)), text_(std::move(text)) {}

  void Start() {
    v1::StreamFrame frame;
    frame.mutable_reply();
    Write(std::move(frame));
  }

 private:
  void Write(v1::StreamFrame frame) {
    stream_->Write(std::move(frame), [self = shared_from_this()](const absl::Status& status) {
      if (!status.ok() || self->sent_ >= self->text_.size()) return self->stream_->Finish(status);
      v1::StreamFrame next;
      next.set_data(self->text_.substr(self->sent_, kFrameBytes));
      self->sent_ += next.data().size();
      self->Write(std::move(next));
    });
  }

  const std::shared_ptr<FrameStream> stream_;
  const std::string text_;
  std::size_t sent_ = 0;
};

class OtherwiseAnswered final : public FrameStream {
 public:
  OtherwiseAnswered(Loop& loop, std::shared_ptr<FrameStream> stream,
                    std::function<std::optional<std::string>()> otherwise)
      : stream_(std::move(stream)), otherwise_(std::move(otherwise)), patience_(loop) {
    patience_.Set(kAnswerLogWithin, [this] { Answer(); });
  }

  void Read(OnFrame on_frame) override { stream_->Read(std::move(on_frame)); }
  void Write(v1::StreamFrame frame, StatusCallback written) override {
    if (answered_) return written(absl::CancelledError("it was answered without the host"));
    const auto code = static_cast<absl::StatusCode>(frame.reply().code());
    const bool away = code == absl::StatusCode::kUnavailable || code == absl::StatusCode::kDeadlineExceeded;
    if (frame.has_reply() && away && Answer()) return written(absl::OkStatus());
    patience_.Cancel();
    otherwise_ = nullptr;
    stream_->Write(std::move(frame), std::move(written));
  }
  void OnBroken(StatusCallback broken) override { stream_->OnBroken(std::move(broken)); }
  void Finish(absl::Status status) override {
    patience_.Cancel();
    if (!answered_) stream_->Finish(std::move(status));
  }

 private:
  bool Answer() {
    const auto otherwise = std::exchange(otherwise_, nullptr);
    std::optional<std::string> text = otherwise ? otherwise() : std::nullopt;
    if (!text) return false;
    answered_ = true;
    AnswerLog(stream_, *std::move(text));
    return true;
  }

  const std::shared_ptr<FrameStream> stream_;
  std::function<std::optional<std::string>()> otherwise_;
  bool answered_ = false;
  Timer patience_;
};

}  // namespace

void AnswerLog(std::shared_ptr<FrameStream> stream, std::string text) {
  std::make_shared<LogAnswer>(std::move(stream), std::move(text))->Start();
}

std::shared_ptr<FrameStream> OrElseAnswer(Loop& loop, std::shared_ptr<FrameStream> stream,
                                          std::function<std::optional<std::string>()> otherwise) {
  return std::make_shared<OtherwiseAnswered>(loop, std::move(stream), std::move(otherwise));
}

}  // namespace slicelet::provider
