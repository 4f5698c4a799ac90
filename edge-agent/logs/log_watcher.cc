#include "edge-agent/logs/log_watcher.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <utility>

namespace slicelet::agent {
namespace {

namespace asio = boost::asio;

class Watch : public std::enable_shared_from_this<Watch> {
 public:
  Watch(asio::io_context& context, int fd, std::function<void()> changed)
      : descriptor_(context, fd), changed_(std::move(changed)) {}

  void Read() {
    descriptor_.async_read_some(
        asio::buffer(buffer_),
        [weak = weak_from_this()](const boost::system::error_code& error, std::size_t) {
          const auto self = weak.lock();
          if (!self || error) return;
          // First, because the callback may drop the last handle.
          self->Read();
          self->changed_();
        });
  }

 private:
  asio::posix::stream_descriptor descriptor_;
  const std::function<void()> changed_;
  // What changed is not read: whoever is told looks at the files.
  std::array<char, 4096> buffer_{};
};

class InotifyWatcher : public LogWatcher {
 public:
  explicit InotifyWatcher(AsioLoop& loop) : context_(*static_cast<asio::io_context*>(loop.io_context())) {}

  std::shared_ptr<void> Watch(const std::string& directory, std::function<void()> changed) override {
    const int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (fd < 0) return nullptr;
    if (inotify_add_watch(fd, directory.c_str(), IN_MODIFY | IN_CLOSE_WRITE | IN_CREATE | IN_MOVED_TO) < 0) {
      close(fd);
      return nullptr;
    }
    auto watch = std::make_shared<agent::Watch>(context_, fd, std::move(changed));
    watch->Read();
    return watch;
  }

 private:
  asio::io_context& context_;
};

}  // namespace

std::unique_ptr<LogWatcher> MakeLogWatcher(AsioLoop& loop) { return std::make_unique<InotifyWatcher>(loop); }

}  // namespace slicelet::agent
