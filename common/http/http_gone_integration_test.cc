// What is noticed of clients that go while nothing is read from them and nothing written to them.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <thread>

#include "common/http/testing/http_server_fixture.h"
#include "common/loop/testing/run_until.h"

namespace slicelet {
namespace {

using HttpGoneTest = HttpServerTest;

TEST_F(HttpGoneTest, TellsWhoTookTheConnectionOverThatTheClientIsGone) {
  std::shared_ptr<HttpExchange> held;
  std::unique_ptr<RawStream> raw;
  bool gone = false;
  handler_ = [&](std::shared_ptr<HttpExchange> exchange) {
    held = std::move(exchange);
    held->OnGone([&] {
      gone = true;
      loop_.Stop();
    });
    raw = held->Hijack();
    raw->Write("yours", [](const absl::Status&) {});
  };
  loop_.RunAfter(kPatience, [&] { loop_.Stop(); });
  std::thread client([&] {
    Client client(port_, nullptr);
    client.Send("POST /exec HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n");
    client.ReadUntil("yours");
    // More than is held of what nobody reads.
    client.Send(std::string(100'000, 'x'));
    client.Reset();
  });
  loop_.Run();
  client.join();
  EXPECT_TRUE(gone);
}

TEST_F(HttpGoneTest, TellsWhoTookTheConnectionOverThatItWasIdleForTooLong) {
  options_.stream_timeout = std::chrono::milliseconds(100);
  server_ = std::make_unique<HttpServer>(
      loop_, options_, [this](std::shared_ptr<HttpExchange> exchange) { handler_(std::move(exchange)); });
  SetUp();
  std::shared_ptr<HttpExchange> held;
  std::unique_ptr<RawStream> raw;
  bool gone = false;
  handler_ = [&](std::shared_ptr<HttpExchange> exchange) {
    held = std::move(exchange);
    held->OnGone([&] { gone = true; });
    raw = held->Hijack();
  };
  With([&] {
    Client client(port_, nullptr);
    client.Send("POST /exec HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n");
    return client.ReadAll();
  });
  EXPECT_TRUE(gone);
}

TEST_F(HttpGoneTest, AsksTheSystemWhetherASilentClientIsStillThere) {
  int watched = 0;
  handler_ = [&](const auto& exchange) {
    // The sockets of this process that are the server's end of a connection.
    for (int socket = 0; socket < 1'024; ++socket) {
      sockaddr_in ours{}, theirs{};
      socklen_t size = sizeof(ours);
      if (getsockname(socket, reinterpret_cast<sockaddr*>(&ours), &size) != 0 ||
          ntohs(ours.sin_port) != port_) {
        continue;
      }
      size = sizeof(theirs);
      if (getpeername(socket, reinterpret_cast<sockaddr*>(&theirs), &size) != 0) continue;
      int set = 0;
      size = sizeof(set);
      getsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &set, &size);
      watched += set;
    }
    exchange->Respond({});
  };
  With([&] {
    Client client(port_, nullptr);
    client.Send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    return client.ReadAll();
  });
  EXPECT_EQ(watched, 1);
}

}  // namespace
}  // namespace slicelet
