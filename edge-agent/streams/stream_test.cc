#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <functional>
#include <optional>

#include "common/loop/asio_loop.h"
#include "common/loop/testing/run_until.h"
#include "edge-agent/streams/relay.h"
#include "edge-agent/streams/upgrade_request.h"

namespace slicelet::agent {
namespace {

namespace asio = boost::asio;
using testing::HasSubstr;
using testing::Not;

TEST(StreamingUrl, IsTakenApart) {
  const auto url = ParseStreamingUrl("http://127.0.0.1:10010/exec/abc?x=1");
  ASSERT_TRUE(url.ok()) << url.status();
  EXPECT_EQ(url->host, "127.0.0.1");
  EXPECT_EQ(url->port, "10010");
  EXPECT_EQ(url->target, "/exec/abc?x=1");
  EXPECT_EQ(ParseStreamingUrl("http://[::1]:80/a")->host, "::1");
}

class BadStreamingUrl : public testing::TestWithParam<const char*> {};
TEST_P(BadStreamingUrl, IsRefused) {
  EXPECT_TRUE(absl::IsInvalidArgument(ParseStreamingUrl(GetParam()).status()));
}
INSTANTIATE_TEST_SUITE_P(All, BadStreamingUrl,
                         testing::Values("", "https://127.0.0.1:1/exec/a", "http://127.0.0.1:1",
                                         "http://:1/a", "http://127.0.0.1:x/a",
                                         "http://127.0.0.1:1/a\r\nhost: x", "/exec/a"));

v1::UpgradeTarget Upgrade(const std::string& name, const std::string& value) {
  v1::UpgradeTarget target;
  target.set_method("POST");
  auto* header = target.add_headers();
  header->set_name(name);
  header->set_value(value);
  return target;
}

TEST(UpgradeRequest, CarriesOnlyWhatAnUpgradeNeeds) {
  const StreamingUrl url{"127.0.0.1", "5", "/exec/t"};
  auto target = Upgrade("Upgrade", "SPDY/3.1");
  *target.add_headers() = Upgrade("authorization", "Bearer secret").headers(0);
  *target.add_headers() = Upgrade("x-stream-protocol-version", "v4.channel.k8s.io").headers(0);
  const auto request = MakeUpgradeRequest(url, target);
  ASSERT_TRUE(request.ok());
  EXPECT_THAT(*request, testing::StartsWith("POST /exec/t HTTP/1.1\r\nhost: 127.0.0.1:5\r\n"));
  EXPECT_THAT(*request, HasSubstr("upgrade: SPDY/3.1\r\n"));
  EXPECT_THAT(*request, HasSubstr("x-stream-protocol-version: v4.channel.k8s.io\r\n"));
  EXPECT_THAT(*request, Not(HasSubstr("secret")));
  EXPECT_THAT(*request, testing::EndsWith("\r\n\r\n"));
}

TEST(UpgradeRequest, CanNotBeSplit) {
  const StreamingUrl url{"127.0.0.1", "5", "/exec/t"};
  EXPECT_FALSE(MakeUpgradeRequest(url, Upgrade("upgrade", "a\r\nx: y")).ok());
  EXPECT_FALSE(MakeUpgradeRequest(url, Upgrade("up grade", "a")).ok());
  auto method = Upgrade("upgrade", "a");
  method.set_method("DELETE");
  EXPECT_FALSE(MakeUpgradeRequest(url, method).ok());
}

/// A streaming server that answers the request with 101 and then does as the test says.
class RelayTest : public testing::Test {
 protected:
  void Dial() {
    acceptor_.async_accept(server_, [this](const boost::system::error_code& error) {
      ASSERT_FALSE(error);
      ServerRead();
    });
    auto [host, hub] = MakeLocalFrameStreams(loop_, 2);
    hub_ = std::move(hub);
    Relay(loop_, {"127.0.0.1", std::to_string(acceptor_.local_endpoint().port()), "/"}, "REQUEST\r\n\r\n",
          std::move(host));
    HubRead();
  }
  void ServerRead() {
    server_.async_read_some(asio::buffer(buffer_),
                            [this](const boost::system::error_code& error, std::size_t size) {
                              if (error) {
                                server_saw_end_ = true;
                                return;
                              }
                              server_heard_.append(buffer_.data(), size);
                              ServerRead();
                            });
  }
  void HubRead() {
    hub_->Read([this](const absl::StatusOr<std::optional<v1::StreamFrame>>& frame) {
      // On its way when the stream was destroyed.
      if (!hub_) return;
      if (!frame.ok() || !*frame) {
        hub_ended_ = true;
        return;
      }
      if ((*frame)->has_reply()) reply_ = (*frame)->reply();
      half_closed_ = half_closed_ || (*frame)->has_half_close();
      largest_ = std::max(largest_, (*frame)->data().size());
      hub_heard_ += (*frame)->data();
      HubRead();
    });
  }
  void HubSay(const std::string& data) {
    v1::StreamFrame frame;
    if (data.empty())
      frame.mutable_half_close();
    else
      frame.set_data(data);
    hub_->Write(std::move(frame), [](const absl::Status&) {});
  }
  bool Until(const std::function<bool()>& holds) { return RunLoopUntil(loop_, holds); }

  AsioLoop loop_;
  asio::io_context& context_ = *static_cast<asio::io_context*>(loop_.io_context());
  asio::ip::tcp::acceptor acceptor_{context_, {asio::ip::address_v4::loopback(), 0}};
  asio::ip::tcp::socket server_{context_};
  std::array<char, 4096> buffer_{};
  std::string server_heard_;
  bool server_saw_end_ = false;
  std::unique_ptr<FrameStream> hub_;
  std::optional<v1::StreamReply> reply_;
  std::string hub_heard_;
  std::size_t largest_ = 0;
  bool half_closed_ = false;
  bool hub_ended_ = false;
};

TEST_F(RelayTest, CopiesBothWaysAndKeepsHalfCloses) {
  Dial();
  ASSERT_TRUE(Until([&] { return server_heard_ == "REQUEST\r\n\r\n"; }));
  HubSay("input");
  ASSERT_TRUE(Until([&] { return server_heard_ == "REQUEST\r\n\r\ninput"; }));
  HubSay("");
  ASSERT_TRUE(Until([&] { return server_saw_end_; }));
  EXPECT_FALSE(hub_ended_);
  const std::string answer = "HTTP/1.1 101 Switching Protocols\r\n\r\n" + std::string(300'000, 'x');
  asio::async_write(server_, asio::buffer(answer),
                    [&](const boost::system::error_code&, std::size_t) { server_.close(); });
  ASSERT_TRUE(Until([&] { return hub_ended_; }));
  EXPECT_EQ(reply_->code(), 0);
  EXPECT_EQ(hub_heard_, answer);
  EXPECT_LE(largest_, 32u * 1024);
  EXPECT_TRUE(half_closed_);
}

TEST_F(RelayTest, HangsUpWhenTheHubGoes) {
  Dial();
  ASSERT_TRUE(Until([&] { return server_heard_.size() == 11; }));
  hub_->Finish(absl::CancelledError("gone"));
  EXPECT_TRUE(Until([&] { return server_saw_end_; }));
}

TEST_F(RelayTest, HangsUpWhenTheHubGoesWhileTheRuntimeTakesNoInput) {
  auto [host, hub] = MakeLocalFrameStreams(loop_, 2);
  hub_ = std::move(hub);
  std::shared_ptr<FrameStream> stream = std::move(host);
  const std::weak_ptr<FrameStream> relayed = stream;
  // Nobody accepts: the connection is the system's alone.
  Relay(loop_, {"127.0.0.1", std::to_string(acceptor_.local_endpoint().port()), "/"}, "REQUEST\r\n\r\n",
        std::move(stream), std::chrono::milliseconds(100));
  HubRead();
  // More than the system holds for who does not read.
  int written = 0;
  std::function<void()> write = [&] {
    v1::StreamFrame frame;
    frame.set_data(std::string(1'000'000, 'x'));
    hub_->Write(std::move(frame), [&](const absl::Status& status) {
      if (!status.ok() || !hub_) return;
      ++written;
      write();
    });
  };
  write();
  for (int before = -1; before != written;) {
    before = written;
    bool pause = false;
    loop_.RunAfter(std::chrono::milliseconds(500), [&] { pause = true; });
    ASSERT_TRUE(Until([&] { return pause; }));
  }
  ASSERT_LT(written, 100);
  EXPECT_FALSE(hub_ended_);
  hub_.reset();
  EXPECT_TRUE(Until([&] { return relayed.expired(); }));
}

TEST_F(RelayTest, RepliesThatTheServerCanNotBeReached) {
  acceptor_.close();
  auto [host, hub] = MakeLocalFrameStreams(loop_);
  hub_ = std::move(hub);
  Relay(loop_, {"127.0.0.1", "1", "/"}, "REQUEST", std::move(host));
  HubRead();
  ASSERT_TRUE(Until([&] { return hub_ended_; }));
  EXPECT_EQ(reply_->code(), static_cast<int>(absl::StatusCode::kUnavailable));
}

}  // namespace
}  // namespace slicelet::agent
