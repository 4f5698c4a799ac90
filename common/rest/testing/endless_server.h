#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <string>
#include <thread>

namespace slicelet {

/// A server of HTTP that answers every request with 200 and a chunked body that never ends.
class EndlessServer {
 public:
  /// A chunk at once after the other, or a byte after each `pause` of milliseconds.
  explicit EndlessServer(std::size_t chunk, int pause = 0) : chunk_(chunk), pause_(pause) {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    const bool listens = bind(listener_, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                         listen(listener_, 4) == 0 &&
                         getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0;
    port_ = listens ? ntohs(address.sin_port) : 0;
    thread_ = std::thread([this] { Run(); });
  }
  ~EndlessServer() {
    stopping_ = true;
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    close(listener_);
  }
  EndlessServer(const EndlessServer&) = delete;
  EndlessServer& operator=(const EndlessServer&) = delete;

  [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  /// Connections that whoever asked has closed.
  [[nodiscard]] int closed() const { return closed_; }
  [[nodiscard]] std::size_t sent() const { return sent_; }

 private:
  void Run() {
    for (;;) {
      const int connection = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (connection < 0) return;
      Answer(connection);
      close(connection);
    }
  }

  void Answer(int connection) {
    std::string head;
    char byte = 0;
    while (head.find("\r\n\r\n") == std::string::npos) {
      if (recv(connection, &byte, 1, 0) != 1) return;
      head += byte;
    }
    char size[32];
    (void)std::snprintf(size, sizeof(size), "%zx\r\n", chunk_);
    const std::string chunk = size + std::string(chunk_, '[') + "\r\n";
    bool open = Write(connection,
                      "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                      "Transfer-Encoding: chunked\r\n\r\n");
    while (open && !stopping_) {
      open = Write(connection, chunk);
      pollfd closed{connection, POLLIN | POLLRDHUP, 0};
      if (open && pause_ > 0 && poll(&closed, 1, pause_) > 0) open = false;
    }
    if (!open) ++closed_;
  }

  bool Write(int connection, const std::string& bytes) {
    for (std::size_t at = 0; at < bytes.size();) {
      const ssize_t written = send(connection, bytes.data() + at, bytes.size() - at, MSG_NOSIGNAL);
      if (written <= 0) return false;
      at += static_cast<std::size_t>(written);
      sent_ += static_cast<std::size_t>(written);
    }
    return true;
  }

  const std::size_t chunk_;
  const int pause_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<bool> stopping_{false};
  std::atomic<int> closed_{0};
  std::atomic<std::size_t> sent_{0};
  std::thread thread_;
};

}  // namespace slicelet
