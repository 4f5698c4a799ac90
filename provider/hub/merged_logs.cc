#include "provider/hub/merged_logs.h"

#include <algorithm>
#include <deque>
#include <optional>

namespace slicelet::provider {
namespace {

/// Of one data frame.
constexpr std::size_t kMaxFrame = std::size_t{32} * 1024;

class Merger : public std::enable_shared_from_this<Merger> {
 public:
  Merger(std::shared_ptr<FrameStream> client, std::vector<HostLog> hosts, std::vector<std::string> notes,
         std::function<void()> done)
      : client_(std::move(client)), notes_(std::move(notes)), done_(std::move(done)) {
    for (HostLog& log : hosts) sources_.push_back({log.first, std::move(log.second), "", std::nullopt});
  }

  void Start() {
    open_ = sources_.size();
    // Its only word is that it leaves.
    client_->Read([weak = weak_from_this()](const absl::StatusOr<std::optional<v1::StreamFrame>>&) {
      if (const auto self = weak.lock()) self->End(absl::CancelledError("nobody reads the logs any more"));
    });
    for (std::size_t i = 0; i < sources_.size(); ++i) Pump(i);
  }

 private:
  struct Source {
    HostId host;
    std::shared_ptr<FrameStream> stream;
    /// What has no end of line yet.
    std::string rest;
    /// Why it failed, before anybody was answered.
    std::optional<absl::Status> failure;
  };

  void Pump(std::size_t i) {
    // The stream does not outlive its source, and a source not its merger.
    sources_[i].stream->Read(
        [weak = weak_from_this(), i](absl::StatusOr<std::optional<v1::StreamFrame>> frame) {
          const auto self = weak.lock();
          if (!self || self->ended_) return;
          if (!frame.ok()) return self->EndSource(i, frame.status());
          if (!frame->has_value()) return self->EndSource(i, absl::OkStatus());
          self->OnFrame(i, **frame);
        });
  }

  void OnFrame(std::size_t i, const v1::StreamFrame& frame) {
    Source& source = sources_[i];
    if (frame.has_reply()) {
      if (frame.reply().code() != 0) {
        return EndSource(
            i, absl::Status(static_cast<absl::StatusCode>(frame.reply().code()), frame.reply().message()));
      }
      Answer();
    }
    source.rest += frame.data();
    std::string lines;
    std::size_t begin = 0;
    while (begin < source.rest.size()) {
      const std::size_t newline = source.rest.find('\n', begin);
      const std::size_t end = std::min(newline, begin + kMaxLogLine);
      if (newline == std::string::npos && end >= source.rest.size()) break;
      lines += source.host.value() + " | " + source.rest.substr(begin, end - begin) + "\n";
      begin = end == newline ? end + 1 : end;
    }
    source.rest.erase(0, begin);
    if (lines.empty()) return Pump(i);
    Say(lines, i);
  }

  void EndSource(std::size_t i, const absl::Status& status) {
    Source& source = sources_[i];
    source.stream.reset();
    --open_;
    if (!source.rest.empty())
      Say(source.host.value() + " | " + std::exchange(source.rest, {}) + "\n", kNobody);
    if (!status.ok()) source.failure = status;
    if (answered_) SayFailures();
    if (open_ > 0) return;
    if (answered_) return Flush();
    // Nobody had anything to say.
    v1::StreamFrame frame;
    const auto failed = std::find_if(sources_.begin(), sources_.end(),
                                     [](const Source& one) { return one.failure.has_value(); });
    if (failed == sources_.end()) {
      Answer();
      return Flush();
    }
    frame.mutable_reply()->set_code(static_cast<int>(failed->failure->code()));
    frame.mutable_reply()->set_message("host " + failed->host.value() + ": " + Message(*failed->failure));
    Write(std::move(frame), kNobody);
  }

  void SayFailures() {
    for (Source& source : sources_) {
      if (!source.failure) continue;
      const absl::Status failure = *std::exchange(source.failure, std::nullopt);
      Say(source.host.value() + " | slicelet: no more logs of this host: " + Message(failure) + "\n",
          kNobody);
    }
  }

  void Answer() {
    if (std::exchange(answered_, true)) return;
    v1::StreamFrame frame;
    frame.mutable_reply();
    Write(std::move(frame), kNobody);
    for (const std::string& note : notes_) Say(note + "\n", kNobody);
    SayFailures();
  }

  /// `then`: the source that is read again when this was written.
  void Say(const std::string& text, std::size_t then) {
    for (std::size_t begin = 0; begin < text.size(); begin += kMaxFrame) {
      v1::StreamFrame frame;
      frame.set_data(text.substr(begin, kMaxFrame));
      Write(std::move(frame), begin + kMaxFrame >= text.size() ? then : kNobody);
    }
  }

  void Write(v1::StreamFrame frame, std::size_t then) {
    queue_.emplace_back(std::move(frame), then);
    Flush();
  }

  void Flush() {
    if (ended_ || writing_) return;
    if (queue_.empty()) {
      if (open_ == 0) End(absl::OkStatus());
      return;
    }
    writing_ = true;
    const auto [frame, then] = std::move(queue_.front());
    queue_.pop_front();
    client_->Write(frame, [weak = weak_from_this(), then = then](const absl::Status& status) {
      const auto self = weak.lock();
      if (!self || self->ended_) return;
      self->writing_ = false;
      if (!status.ok()) return self->End(status);
      if (then != kNobody && self->sources_[then].stream) self->Pump(then);
      self->Flush();
    });
  }

  void End(const absl::Status& status) {
    if (std::exchange(ended_, true)) return;
    client_->Finish(status);
    for (Source& source : sources_) source.stream.reset();
    const auto done = std::move(done_);
    if (done) done();
  }

  static constexpr std::size_t kNobody = static_cast<std::size_t>(-1);

  std::shared_ptr<FrameStream> client_;
  const std::vector<std::string> notes_;
  std::function<void()> done_;
  std::vector<Source> sources_;
  std::size_t open_ = 0;
  /// At most one entry for each source, and what is said of those that ended.
  std::deque<std::pair<v1::StreamFrame, std::size_t>> queue_;
  bool writing_ = false;
  bool answered_ = false;
  bool ended_ = false;
};

}  // namespace

std::shared_ptr<void> MergeLogs(std::shared_ptr<FrameStream> client, std::vector<HostLog> hosts,
                                std::vector<std::string> notes, std::function<void()> done) {
  auto merger =
      std::make_shared<Merger>(std::move(client), std::move(hosts), std::move(notes), std::move(done));
  merger->Start();
  return merger;
}

}  // namespace slicelet::provider
