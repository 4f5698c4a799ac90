#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace slicelet::senml {

/// A server's side of MQTT 3.1.1 that takes every connection, and does with publications what it is told.
class ScriptedServer {
 public:
  enum class Answer { kNone, kHangUp, kAcknowledge };

  ScriptedServer() : listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in at = Loopback();
    socklen_t size = sizeof at;
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&at), size), 0);
    EXPECT_EQ(listen(listener_, 8), 0);
    EXPECT_EQ(getsockname(listener_, reinterpret_cast<sockaddr*>(&at), &size), 0);
    port_ = ntohs(at.sin_port);
    thread_ = std::thread([this] { Run(); });
  }
  ~ScriptedServer() {
    ending_ = true;
    shutdown(listener_, SHUT_RDWR);
    HangUp();
    thread_.join();
    close(listener_);
  }
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;

  [[nodiscard]] std::string endpoint() const { return "127.0.0.1:" + std::to_string(port_); }
  void Say(Answer answer) { answer_ = answer; }
  /// The connection that there is ends.
  void HangUp() {
    const std::lock_guard lock(mutex_);
    if (client_ >= 0) shutdown(client_, SHUT_RDWR);
  }
  /// What was published, whatever was said to it.
  std::vector<std::string> published() {
    const std::lock_guard lock(mutex_);
    return published_;
  }

 private:
  static sockaddr_in Loopback() {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return at;
  }

  void Run() {
    while (!ending_) {
      const int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (client < 0) continue;
      {
        const std::lock_guard lock(mutex_);
        client_ = client;
      }
      while (!ending_ && Serve(client)) {
      }
      const std::lock_guard lock(mutex_);
      client_ = -1;
      close(client);
    }
  }

  static bool Read(int client, std::string& bytes, std::size_t count) {
    bytes.resize(count);
    return count == 0 || recv(client, bytes.data(), count, MSG_WAITALL) == static_cast<ssize_t>(count);
  }
  static bool Send(int client, const std::string& bytes) {
    return send(client, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
  }

  /// One packet; false at the end of the connection.
  bool Serve(int client) {
    std::string head;
    if (!Read(client, head, 1)) return false;
    std::size_t length = 0;
    for (int shift = 0;; shift += 7) {
      std::string byte;
      if (!Read(client, byte, 1)) return false;
      length |= static_cast<std::size_t>(byte[0] & 0x7F) << shift;
      if ((byte[0] & 0x80) == 0) break;
    }
    std::string body;
    if (!Read(client, body, length)) return false;
    const int type = static_cast<unsigned char>(head[0]) >> 4;
    if (type == 1) return Send(client, std::string("\x20\x02\x00\x00", 4));
    if (type == 12) return Send(client, std::string("\xD0\x00", 2));
    if (type != 3) return false;
    // PUBLISH with QoS 1: topic, packet id, payload.
    const std::size_t topic =
        static_cast<unsigned char>(body[0]) * 256U + static_cast<unsigned char>(body[1]);
    {
      const std::lock_guard lock(mutex_);
      published_.push_back(body.substr(2 + topic + 2));
    }
    if (answer_ == Answer::kHangUp) return false;
    return answer_ == Answer::kNone || Send(client, std::string("\x40\x02", 2) + body.substr(2 + topic, 2));
  }

  int listener_;
  int port_ = 0;
  std::atomic<bool> ending_ = false;
  std::atomic<Answer> answer_ = Answer::kNone;
  std::mutex mutex_;
  int client_ = -1;
  std::vector<std::string> published_;
  std::thread thread_;
};

}  // namespace slicelet::senml
