#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cerrno>
#include <cstring>
#include <utility>

#include "kube/directory/directory_kube_api.h"

namespace slicelet::kube {
namespace {

constexpr Duration kCoalesce = std::chrono::milliseconds(10);

class InotifyNotifier : public DirectoryNotifier {
 public:
  InotifyNotifier(AsioLoop& loop, int descriptor, std::function<void()> on_change)
      : stream_(*static_cast<boost::asio::io_context*>(loop.io_context()), descriptor),
        on_change_(std::move(on_change)),
        timer_(loop) {
    Read();
  }

 private:
  void Read() {
    stream_.async_read_some(boost::asio::buffer(buffer_),
                            lifetime_.Guard([this](const boost::system::error_code& error, std::size_t) {
                              if (error) return;
                              // Which file it was does not matter: a scan compares them all.
                              if (!timer_.armed()) timer_.Set(kCoalesce, [this] { on_change_(); });
                              Read();
                            }));
  }

  boost::asio::posix::stream_descriptor stream_;
  std::function<void()> on_change_;
  std::array<char, 4'096> buffer_{};
  Timer timer_;
  Lifetime lifetime_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<DirectoryNotifier>> WatchDirectory(AsioLoop& loop, const std::string& path,
                                                                  std::function<void()> on_change) {
  const int descriptor = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (descriptor < 0) return absl::InternalError(std::string("inotify: ") + std::strerror(errno));
  const std::uint32_t events =
      IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ONLYDIR;
  if (inotify_add_watch(descriptor, path.c_str(), events) < 0) {
    const int error = errno;
    close(descriptor);
    return absl::InternalError("cannot watch " + path + ": " + std::strerror(error));
  }
  return std::make_unique<InotifyNotifier>(loop, descriptor, std::move(on_change));
}

}  // namespace slicelet::kube
