#include "edge-agent/logs/log_stream.h"

#include <optional>
#include <utility>

#include "common/logs/log_line.h"
#include "edge-agent/logs/log_files.h"

namespace slicelet::agent {
namespace {

constexpr std::size_t kFrameBytes = std::size_t{32} * 1024;
/// Whether the container still runs is looked at this often while nothing is written.
constexpr Duration kLookAgain = std::chrono::seconds(1);

/// Lives as long as a callback of it is waiting.
class LogStream : public std::enable_shared_from_this<LogStream> {
 public:
  LogStream(Loop& loop, const v1::LogOptions& options, WallTime now, LogSource source,
            std::function<absl::StatusOr<LogSource>()> locate, std::shared_ptr<FrameStream> stream)
      : options_(options),
        path_(source.files.empty() ? "" : source.files.back()),
        locate_(std::move(locate)),
        stream_(std::move(stream)),
        formatter_(options, now),
        files_(std::move(source.files)),
        look_(loop) {
    if (options.has_tail_lines() && options.tail_lines() >= 0) {
      files_.SeekToTail(static_cast<std::uint64_t>(options.tail_lines()));
    }
  }

  void Start(LogWatcher& watcher) {
    if (options_.follow()) {
      const auto slash = path_.rfind('/');
      if (slash != std::string::npos) {
        watch_ = watcher.Watch(path_.substr(0, slash), [weak = weak_from_this()] {
          if (const auto self = weak.lock()) self->Wake();
        });
      }
      // The reader says nothing, but its going must be noticed.
      stream_->Read([weak = weak_from_this()](const absl::StatusOr<std::optional<v1::StreamFrame>>& frame) {
        const auto self = weak.lock();
        if (self && (!frame.ok() || !*frame)) self->End(absl::CancelledError("the reader went"));
      });
    }
    v1::StreamFrame frame;
    frame.mutable_reply();
    Write(std::move(frame));
  }

 private:
  void Write(v1::StreamFrame frame) {
    writing_ = true;
    stream_->Write(std::move(frame), [self = shared_from_this()](const absl::Status& status) {
      self->writing_ = false;
      if (self->ended_) return;
      if (!status.ok())
        self->End(status);
      else
        self->Pump();
    });
  }

  void Wake() {
    if (!writing_ && !ended_) Pump();
  }

  void Pump() {
    look_.Cancel();
    // Before reading: what the container wrote last must not be missed.
    const bool running = options_.follow() && StillRunning();
    std::string out;
    while (out.empty() && !formatter_.full()) {
      const std::string lines = files_.Read(kFrameBytes / 2);
      if (lines.empty()) break;
      for (std::size_t at = 0; at < lines.size();) {
        const auto end = lines.find('\n', at);
        formatter_.Add(std::string_view(lines).substr(at, end - at), out);
        at = end + 1;
      }
    }
    if (!out.empty()) {
      v1::StreamFrame frame;
      frame.set_data(std::move(out));
      Write(std::move(frame));
    } else if (!running || formatter_.full()) {
      End(absl::OkStatus());
    } else {
      look_.Set(kLookAgain, [self = shared_from_this()] { self->Wake(); });
    }
  }

  bool StillRunning() {
    const auto source = locate_();
    return source.ok() && source->running && !source->files.empty() && source->files.back() == path_;
  }

  void End(const absl::Status& status) {
    if (std::exchange(ended_, true)) return;
    look_.Cancel();
    watch_.reset();
    stream_->Finish(status);
  }

  const v1::LogOptions options_;
  const std::string path_;
  const std::function<absl::StatusOr<LogSource>()> locate_;
  const std::shared_ptr<FrameStream> stream_;
  LogFormatter formatter_;
  LogFiles files_;
  Timer look_;
  std::shared_ptr<void> watch_;
  bool writing_ = false;
  bool ended_ = false;
};

}  // namespace

void ServeLogs(Loop& loop, const Clock& clock, LogWatcher& watcher, const v1::LogOptions& options,
               std::function<absl::StatusOr<LogSource>()> locate, std::shared_ptr<FrameStream> stream) {
  auto source = locate();
  if (!source.ok()) {
    v1::StreamFrame frame;
    frame.mutable_reply()->set_code(static_cast<int>(source.status().code()));
    frame.mutable_reply()->set_message(Message(source.status()));
    auto* raw = stream.get();
    raw->Write(std::move(frame), [stream = std::move(stream)](const absl::Status& status) {
      if (status.ok()) stream->Finish(absl::OkStatus());
    });
    return;
  }
  std::make_shared<LogStream>(loop, options, clock.Now(), *std::move(source), std::move(locate),
                              std::move(stream))
      ->Start(watcher);
}

}  // namespace slicelet::agent
