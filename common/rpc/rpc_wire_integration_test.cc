// What a link costs on the wire beside its messages.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/write.hpp>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "common/base/testing/temporary_directory.h"
#include "common/loop/asio_loop.h"
#include "common/loop/testing/run_until.h"
#include "common/rpc/edge_link.h"

namespace slicelet {
namespace {

using unix_socket = boost::asio::local::stream_protocol;

/// Counts the HTTP/2 frames of a byte stream (RFC 9113, section 4.1).
class FrameCounter {
 public:
  explicit FrameCounter(std::size_t preface) : skip_(preface) {}
  void See(const char* data, std::size_t size) {
    for (std::size_t i = 0; i < size; ++i) {
      if (skip_ > 0) {
        --skip_;
        continue;
      }
      header_.push_back(static_cast<unsigned char>(data[i]));
      if (header_.size() < 9) continue;
      ++frames_.at(header_[3]);
      skip_ = (header_[0] * 65'536U) + (header_[1] * 256U) + header_[2];
      header_.clear();
    }
  }
  [[nodiscard]] int data() const { return frames_[0]; }
  [[nodiscard]] int pings() const { return frames_[6]; }

 private:
  std::size_t skip_;
  std::vector<unsigned char> header_;
  std::array<std::atomic<int>, 256> frames_{};
};

/// Passes on the bytes of one connection, and counts its frames.
class Tap {
 public:
  Tap(const std::string& path, const std::string& target) : acceptor_(io_, unix_socket::endpoint(path)) {
    acceptor_.async_accept(near_, [this, target](const boost::system::error_code& error) {
      if (error) return;
      far_.connect(unix_socket::endpoint(target));
      Pump(near_, far_, buffers_[0], up_);
      Pump(far_, near_, buffers_[1], down_);
    });
    thread_ = std::thread([this] { io_.run(); });
  }
  ~Tap() {
    io_.stop();
    thread_.join();
  }
  Tap(const Tap&) = delete;
  Tap& operator=(const Tap&) = delete;

  [[nodiscard]] const FrameCounter& up() const { return up_; }
  [[nodiscard]] const FrameCounter& down() const { return down_; }

 private:
  using Buffer = std::array<char, 16'384>;

  void Pump(unix_socket::socket& from, unix_socket::socket& to, Buffer& buffer, FrameCounter& counter) {
    from.async_read_some(boost::asio::buffer(buffer), [&, this](const auto& error, std::size_t size) {
      if (error) return;
      counter.See(buffer.data(), size);
      boost::asio::async_write(to, boost::asio::buffer(buffer, size),
                               [&, this](const auto& failed, std::size_t) {
                                 if (!failed) Pump(from, to, buffer, counter);
                               });
    });
  }

  boost::asio::io_context io_;
  unix_socket::acceptor acceptor_;
  unix_socket::socket near_{io_}, far_{io_};
  std::array<Buffer, 2> buffers_{};
  FrameCounter up_{std::string("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").size()};
  FrameCounter down_{0};
  std::thread thread_;
};

TEST(RpcWireTest, AMessageIsNotFollowedByAPing) {
  const RpcKeepalive kNever{.interval = std::chrono::hours(24)};
  const TemporaryDirectory directory;
  AsioLoop loop;
  EdgeLinkService service(loop);
  std::vector<std::unique_ptr<MessagePipe<v1::HubMessage, v1::HostMessage>>> pipes;
  service.sessions().Start([&](auto pipe, const std::string&) {
    pipes.push_back(std::move(pipe));
    return MessagePipe<v1::HubMessage, v1::HostMessage>::Handler{
        .on_message = [&](const v1::HostMessage&) { pipes.back()->Send({}); },
        .on_closed = [](const absl::Status&) {}};
  });
  RpcServer server;
  const std::string address = directory.File("server");
  ASSERT_TRUE(
      server
          .Listen(
              {.address = "unix:" + address, .tls = {}, .services = {{&service, {}}}, .keepalive = kNever})
          .ok());
  const Tap tap(directory.File("tap"), address);
  auto client = RpcClient::Make(
      loop, {.address = "unix:" + directory.File("tap"), .tls = {}, .server_name = "", .keepalive = kNever});
  ASSERT_TRUE(client.ok()) << client.status();
  const auto connector = MakeHubConnector(**client);
  int answers = 0;
  const auto pipe = connector->Connect(
      {.on_message = [&](const v1::HubMessage&) { ++answers; }, .on_closed = [](const absl::Status&) {}});
  constexpr int kMessages = 5;
  for (int i = 1; i <= kMessages; ++i) {
    v1::HostMessage message;
    message.set_session(1);
    pipe->Send(message);
    ASSERT_TRUE(RunLoopUntil(loop, [&] { return answers == i; }));
  }
  EXPECT_EQ(tap.up().data(), kMessages);
  EXPECT_EQ(tap.down().data(), kMessages);
  EXPECT_EQ(tap.up().pings(), 0) << "15 of them an hour cost more than the messages of an idle link";
  EXPECT_EQ(tap.down().pings(), 0);
  server.Shutdown();
}

}  // namespace
}  // namespace slicelet
