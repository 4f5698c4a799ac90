#include "edge-agent/app/service_manager.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>

namespace slicelet::agent {
namespace {

void Notify(const std::string& message) {
  const char* path = std::getenv("NOTIFY_SOCKET");
  if (path == nullptr) return;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::size_t length = std::strlen(path);
  if (length == 0 || length >= sizeof address.sun_path) return;
  std::memcpy(address.sun_path, path, length);
  // An abstract socket is written with @ for its first byte, which is zero.
  if (path[0] == '@') address.sun_path[0] = '\0';
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return;
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length);
  (void)sendto(fd, message.data(), message.size(), MSG_NOSIGNAL, reinterpret_cast<sockaddr*>(&address), size);
  close(fd);
}

}  // namespace

void ServiceManager::Ready(const std::string& status) {
  Notify("READY=1\nSTATUS=" + status);
  const char* limit = std::getenv("WATCHDOG_USEC");
  const char* pid = std::getenv("WATCHDOG_PID");
  if (limit == nullptr || (pid != nullptr && std::atol(pid) != getpid())) return;
  interval_ = std::chrono::microseconds(std::strtoull(limit, nullptr, 10)) / 3;
  if (interval_ > Duration::zero()) FeedWatchdog();
}

void ServiceManager::Stopping() {
  timer_.Cancel();
  Notify("STOPPING=1");
}

void ServiceManager::FeedWatchdog() {
  Notify("WATCHDOG=1");
  timer_.Set(interval_, [this] { FeedWatchdog(); });
}

}  // namespace slicelet::agent
