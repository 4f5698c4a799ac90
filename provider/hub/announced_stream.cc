#include "provider/hub/announced_stream.h"

#include <utility>

namespace slicelet::provider {
namespace {

class AnnouncedStream final : public FrameStream {
 public:
  AnnouncedStream(std::shared_ptr<FrameStream> stream, std::string line)
      : stream_(std::move(stream)), line_(std::move(line)) {}

  void Read(OnFrame on_frame) override { stream_->Read(std::move(on_frame)); }
  void Write(v1::StreamFrame frame, StatusCallback written) override {
    if (line_.empty() || !frame.has_reply() || frame.reply().code() != 0) {
      return stream_->Write(std::move(frame), std::move(written));
    }
    v1::StreamFrame first;
    first.set_data(std::exchange(line_, std::string()));
    // One write at a time: the caller's is complete when both are.
    const std::weak_ptr<FrameStream> weak = stream_;
    stream_->Write(std::move(frame), [weak, first = std::move(first),
                                      written = std::move(written)](const absl::Status& status) mutable {
      const std::shared_ptr<FrameStream> stream = weak.lock();
      if (!status.ok() || !stream) return written(status);
      stream->Write(std::move(first), std::move(written));
    });
  }
  void OnBroken(StatusCallback broken) override { stream_->OnBroken(std::move(broken)); }
  void Finish(absl::Status status) override { stream_->Finish(std::move(status)); }

 private:
  std::shared_ptr<FrameStream> stream_;
  std::string line_;
};

}  // namespace

std::shared_ptr<FrameStream> Announce(std::shared_ptr<FrameStream> stream, std::string line) {
  return std::make_shared<AnnouncedStream>(std::move(stream), std::move(line));
}

}  // namespace slicelet::provider
