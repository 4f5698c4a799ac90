#include "edge-agent/probes/asio_prober.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/streambuf.hpp>
#include <boost/asio/write.hpp>
#include <memory>
#include <string>

#include "common/loop/testing/run_until.h"

namespace slicelet::agent {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using std::chrono::milliseconds;

class AsioProberTest : public ::testing::Test {
 protected:
  AsioProberTest()
      : context_(*static_cast<asio::io_context*>(loop_.io_context())),
        acceptor_(context_, tcp::endpoint(asio::ip::make_address("127.0.0.1"), 0)),
        prober_(MakeAsioProber(loop_)) {}

  [[nodiscard]] int port() const { return acceptor_.local_endpoint().port(); }

  /// Answers one connection; "" accepts and says nothing.
  void Answer(const std::string& answer) {
    auto socket = std::make_shared<tcp::socket>(context_);
    acceptor_.async_accept(*socket, [this, socket, answer](const boost::system::error_code&) {
      held_.push_back(socket);
      auto request = std::make_shared<asio::streambuf>();
      asio::async_read_until(*socket, *request, "\r\n\r\n",
                             [this, socket, request, answer](const boost::system::error_code&, std::size_t) {
                               request_ = std::string(asio::buffers_begin(request->data()),
                                                      asio::buffers_end(request->data()));
                               if (!answer.empty()) {
                                 boost::system::error_code ignored;
                                 asio::write(*socket, asio::buffer(answer), ignored);
                               }
                             });
    });
  }

  absl::Status Check(const v1::Handler& handler, Duration timeout = kPatience) {
    absl::Status result = absl::UnknownError("no answer");
    prober_->Check(handler, "127.0.0.1", timeout, [&](const absl::Status& status) {
      result = status;
      loop_.Stop();
    });
    loop_.Run();
    return result;
  }

  [[nodiscard]] v1::Handler Http(const std::string& path) const {
    v1::Handler handler;
    handler.mutable_http_get()->set_port(port());
    handler.mutable_http_get()->set_path(path);
    return handler;
  }

  /// From here on `port` is one that refuses: bound and not listening, so that nobody else gets it.
  void Refuse() {
    acceptor_ = tcp::acceptor(context_, tcp::v4());
    acceptor_.bind({asio::ip::address_v4::loopback(), 0});
  }

  AsioLoop loop_;
  asio::io_context& context_;
  tcp::acceptor acceptor_;
  std::vector<std::shared_ptr<tcp::socket>> held_;
  std::string request_;
  std::unique_ptr<Prober> prober_;
};

TEST_F(AsioProberTest, TwoHundredPasses) {
  Answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  EXPECT_TRUE(Check(Http("/healthz?x=1")).ok());
  EXPECT_EQ(request_.rfind("GET /healthz?x=1 HTTP/1.1\r\n", 0), 0U);
}

TEST_F(AsioProberTest, FiveHundredFailsInTheKubeletsWords) {
  Answer("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n");
  const absl::Status status = Check(Http("/"));
  EXPECT_NE(Message(status).find("HTTP probe failed with statuscode: 500"), std::string::npos);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(AsioProberTest, SilenceRunsIntoTheTimeout) {
  Answer("");
  EXPECT_EQ(Check(Http("/"), milliseconds(50)).code(), absl::StatusCode::kDeadlineExceeded);
}

// What the network is that has gone away: no name is answered.
TEST_F(AsioProberTest, AnAddressIsNotLookedUp) {
  prober_ = MakeAsioProber(loop_, [](const std::string& name, const Callback<std::vector<std::string>>&) {
    ADD_FAILURE() << name;
    return [] {};
  });
  Answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  EXPECT_TRUE(Check(Http("/")).ok());
}

TEST_F(AsioProberTest, ANameIsWaitedForUntilTheDeadline) {
  int given_up = 0;
  prober_ = MakeAsioProber(loop_, [&](const std::string&, const Callback<std::vector<std::string>>&) {
    return [&] { ++given_up; };
  });
  v1::Handler named = Http("/");
  named.mutable_http_get()->set_host("api.example.com");
  EXPECT_EQ(Check(named, milliseconds(50)).code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(given_up, 1);
}

TEST_F(AsioProberTest, NamesAreLookedUp) {
  Answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  v1::Handler named = Http("/");
  named.mutable_http_get()->set_host("localhost");
  EXPECT_TRUE(Check(named).ok());
  EXPECT_NE(request_.find("Host: localhost:"), std::string::npos);
}

TEST_F(AsioProberTest, AHeaderThatCannotBeSentFailsTheProbe) {
  Answer("");
  v1::Handler handler = Http("/");
  (*handler.mutable_http_get()->mutable_headers())["X-Long"] = std::string(70'000, 'x');
  EXPECT_NE(Message(Check(handler)).find("header of the probe"), std::string::npos);
}

TEST_F(AsioProberTest, TcpPassesWhenSomebodyListens) {
  v1::Handler handler;
  handler.mutable_tcp_socket()->set_port(port());
  EXPECT_TRUE(Check(handler).ok());
}

TEST_F(AsioProberTest, RefusedConnectionFailsAndIsToldApart) {
  Refuse();
  v1::Handler handler;
  handler.mutable_tcp_socket()->set_port(port());
  const absl::Status status = Check(handler);
  EXPECT_NE(Message(status).find("refused"), std::string::npos);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
}

TEST_F(AsioProberTest, RefusedRequestFailsAndIsToldApart) {
  Refuse();
  EXPECT_EQ(Check(Http("/")).code(), absl::StatusCode::kUnavailable);
}

TEST_F(AsioProberTest, LeavesGrpcToOthers) {
  v1::Handler handler;
  handler.mutable_grpc()->set_port(1);
  EXPECT_EQ(Check(handler).code(), absl::StatusCode::kUnimplemented);
}

}  // namespace
}  // namespace slicelet::agent
