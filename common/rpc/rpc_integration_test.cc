#include <gmock/gmock.h>
#include <sys/stat.h>

#include <functional>

#include "common/base/testing/loopback_port.h"
#include "common/base/testing/temporary_directory.h"
#include "common/loop/asio_loop.h"
#include "common/loop/testing/run_until.h"
#include "common/loop/testing/scaled_loop.h"
#include "common/rpc/edge_link.h"
#include "common/rpc/provider_link.h"
#include "common/rpc/testing/test_authority.h"

namespace slicelet {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using HostPipe = MessagePipe<v1::HostMessage, v1::HubMessage>;
using HubPipe = MessagePipe<v1::HubMessage, v1::HostMessage>;

v1::HostMessage Number(std::uint64_t session) {
  v1::HostMessage message;
  message.set_session(session);
  return message;
}

v1::StreamFrame Data(std::string text) {
  v1::StreamFrame frame;
  frame.set_data(std::move(text));
  return frame;
}

/// A hub that answers every message with its session number, over real TLS on loopback.
class RpcTest : public testing::Test {
 protected:
  void SetUp() override {
    edge_link_.sessions().Start([this](std::unique_ptr<HubPipe> pipe, const std::string& peer) {
      peers_.push_back(peer);
      hub_pipes_.push_back(std::move(pipe));
      auto* raw = hub_pipes_.back().get();
      return HubPipe::Handler{
          .on_message =
              [this, raw](const v1::HostMessage& message) {
                received_.push_back(message.session());
                v1::HubMessage answer;
                answer.set_session(message.session());
                raw->Send(answer);
              },
          .on_closed = [this](const absl::Status& status) { hub_closed_.push_back(status); }};
    });
    edge_link_.ServeTunnels([this](std::unique_ptr<FrameStream> tunnel, const std::string& host) {
      tunnel_host_ = host;
      tunnel_ = std::move(tunnel);
    });
    RpcServer::Listener listener;
    listener.address = "127.0.0.1:0";
    listener.tls = authority_.IssueTls("slicelet-provider");
    listener.services = {{&edge_link_, [this](const RpcPeer& peer) {
                            seen_ = peer;
                            return refuse_ ? absl::PermissionDeniedError("host is revoked")
                                           : absl::OkStatus();
                          }}};
    const auto port = server_.Listen(listener);
    ASSERT_TRUE(port.ok()) << port.status();
    port_ = *port;
  }

  std::unique_ptr<RpcClient> Dial(RpcTls tls, int port) {
    RpcClient::Options options;
    options.address = "localhost:" + std::to_string(port);
    options.tls = std::move(tls);
    auto client = RpcClient::Make(patient_, std::move(options));
    EXPECT_TRUE(client.ok()) << client.status();
    return std::move(*client);
  }
  std::unique_ptr<RpcClient> Dial(RpcTls tls) { return Dial(std::move(tls), port_); }
  std::unique_ptr<RpcClient> Dial(int port) {
    return Dial(authority_.IssueTls("gw-1", "slicelet:hosts", "spiffe://hub-1/host/gw-1"), port);
  }
  std::unique_ptr<RpcClient> Dial() { return Dial(port_); }

  std::unique_ptr<HostPipe> Connect(RpcClient& client) {
    connector_ = MakeHubConnector(client);
    return connector_->Connect(
        {.on_message = [this](const v1::HubMessage& message) { answers_.push_back(message.session()); },
         .on_closed = [this](const absl::Status& status) { closed_.push_back(status); }});
  }

  void RunUntil(const std::function<bool()>& done) {
    ASSERT_TRUE(RunLoopUntil(loop_, done)) << "nothing happened for too long";
  }

  AsioLoop loop_;
  /// No call is cancelled because a busy machine takes long to end it in order.
  ScaledLoop patient_{loop_, 20};
  TestAuthority authority_;
  EdgeLinkService edge_link_{patient_};
  RpcServer server_;
  int port_ = 0;
  RpcPeer seen_;
  bool refuse_ = false;
  std::vector<std::string> peers_;
  std::vector<std::unique_ptr<HubPipe>> hub_pipes_;
  std::vector<std::uint64_t> received_, answers_;
  std::vector<absl::Status> closed_, hub_closed_;
  std::unique_ptr<Connector<v1::HostMessage, v1::HubMessage>> connector_;
  std::unique_ptr<FrameStream> tunnel_;
  std::string tunnel_host_;
};

TEST_F(RpcTest, CarriesASessionAndKnowsThePeer) {
  const auto client = Dial();
  const auto pipe = Connect(*client);
  for (std::uint64_t i = 1; i <= 100; ++i) pipe->Send(Number(i));
  RunUntil([&] { return answers_.size() == 100; });
  EXPECT_THAT(peers_, ElementsAre("gw-1"));
  EXPECT_THAT(seen_.organizations, ElementsAre("slicelet:hosts"));
  EXPECT_THAT(seen_.uris, ElementsAre("spiffe://hub-1/host/gw-1"));
  EXPECT_GT(seen_.not_after, SystemClock().Now());
  EXPECT_FALSE(seen_.local);
  EXPECT_EQ(answers_, received_);
}

TEST_F(RpcTest, RefusesACertificateOfAnotherAuthority) {
  TestAuthority other;
  auto tls = other.IssueTls("gw-1");
  tls.ca_pem = authority_.ca_pem();
  const auto client = Dial(tls);
  const auto pipe = Connect(*client);
  pipe->Send(Number(1));
  RunUntil([&] { return !closed_.empty(); });
  EXPECT_EQ(closed_.front().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(peers_, IsEmpty());
}

TEST_F(RpcTest, RefusesAServerOfAnotherAuthority) {
  auto tls = authority_.IssueTls("gw-1");
  tls.ca_pem = TestAuthority().ca_pem();
  const auto client = Dial(tls);
  const auto pipe = Connect(*client);
  RunUntil([&] { return !closed_.empty(); });
  EXPECT_EQ(closed_.front().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(peers_, IsEmpty());
}

TEST_F(RpcTest, RefusesAPeerThatMayNotCall) {
  refuse_ = true;
  const auto client = Dial();
  const auto pipe = Connect(*client);
  RunUntil([&] { return !closed_.empty(); });
  EXPECT_EQ(closed_.front(), absl::PermissionDeniedError("host is revoked"));
  EXPECT_THAT(peers_, IsEmpty());
}

TEST_F(RpcTest, SendsWhatIsQueuedBeforeItCloses) {
  const auto client = Dial();
  auto pipe = Connect(*client);
  for (std::uint64_t i = 1; i <= 20; ++i) pipe->Send(Number(i));
  pipe.reset();
  RunUntil([&] { return !hub_closed_.empty(); });
  EXPECT_EQ(received_.size(), 20U);
  EXPECT_EQ(hub_closed_.front().code(), absl::StatusCode::kUnavailable);
}

TEST_F(RpcTest, ThePeerHearsThatTheOtherProcessIsGone) {
  auto client = Dial();
  const auto pipe = Connect(*client);
  pipe->Send(Number(1));
  RunUntil([&] { return answers_.size() == 1; });
  client.reset();
  RunUntil([&] { return !hub_closed_.empty(); });
  EXPECT_EQ(hub_closed_.size(), 1U);
}

TEST_F(RpcTest, AServerThatShutsDownEndsItsSessions) {
  const auto client = Dial();
  const auto pipe = Connect(*client);
  pipe->Send(Number(1));
  RunUntil([&] { return answers_.size() == 1; });
  server_.Shutdown();
  RunUntil([&] { return !closed_.empty(); });
  EXPECT_EQ(closed_.front(), absl::UnavailableError("the server is shutting down"));
}

TEST_F(RpcTest, RedialsAtOnceAfterARefusal) {
  // Nobody listens there yet, and nobody else is given it.
  const int reserved_port = FreeLoopbackPort();
  const auto client = Dial(reserved_port);
  const auto lost = Connect(*client);
  RunUntil([&] { return closed_.size() == 1; });
  RpcServer late;
  const auto port = late.Listen({.address = "127.0.0.1:" + std::to_string(reserved_port),
                                 .tls = authority_.IssueTls("slicelet-provider"),
                                 .services = {{&edge_link_, [](const RpcPeer&) { return absl::OkStatus(); }}},
                                 .keepalive = {}});
  ASSERT_TRUE(port.ok()) << port.status();
  const auto pipe = Connect(*client);
  pipe->Send(Number(1));
  RunUntil([&] { return answers_.size() == 1; });
  EXPECT_EQ(closed_.size(), 1U);
}

TEST_F(RpcTest, DropsAMessageAboveTheLimitAndKeepsTheConnection) {
  const auto client = Dial();
  const auto pipe = Connect(*client);
  auto large = Number(1);
  large.mutable_goodbye()->set_reason(std::string(kMaxRpcMessageBytes + 1, 'x'));
  pipe->Send(large);
  pipe->Send(Number(2));
  RunUntil([&] { return !answers_.empty(); });
  EXPECT_THAT(answers_, ElementsAre(2));
}

TEST_F(RpcTest, TunnelCarriesFramesBothWaysAndItsEnd) {
  const auto client = Dial();
  const auto host = DialTunnel(*client);
  bool written = false;
  host->Write(Data("ping"), [&](const absl::Status& status) { written = status.ok(); });
  RunUntil([&] { return tunnel_ != nullptr && written; });
  EXPECT_EQ(tunnel_host_, "gw-1");
  std::string at_hub;
  tunnel_->Read([&](const auto& frame) { at_hub = (*frame)->data(); });
  RunUntil([&] { return !at_hub.empty(); });
  EXPECT_EQ(at_hub, "ping");
  tunnel_->Write(Data("pong"), [](const absl::Status&) {});
  tunnel_->Finish(absl::OkStatus());
  tunnel_.reset();
  std::vector<std::string> at_host;
  bool ended = false;
  std::function<void()> read = [&] {
    host->Read([&](const absl::StatusOr<std::optional<v1::StreamFrame>>& frame) {
      ASSERT_TRUE(frame.ok()) << frame.status();
      ended = !frame->has_value();
      if (ended) return;
      at_host.push_back((*frame)->data());
      read();
    });
  };
  read();
  RunUntil([&] { return ended; });
  EXPECT_THAT(at_host, ElementsAre("pong"));
}

TEST_F(RpcTest, TunnelErrorsReachTheOtherEnd) {
  const auto client = Dial();
  const auto host = DialTunnel(*client);
  RunUntil([&] { return tunnel_ != nullptr; });
  tunnel_->Finish(absl::NotFoundError("no such request"));
  absl::Status end;
  host->Read([&](const auto& frame) { end = frame.status(); });
  RunUntil([&] { return !end.ok(); });
  EXPECT_EQ(end, absl::NotFoundError("no such request"));
}

TEST_F(RpcTest, TunnelThatIsDroppedIsCancelledAtTheOtherEnd) {
  const auto client = Dial();
  auto host = DialTunnel(*client);
  RunUntil([&] { return tunnel_ != nullptr; });
  bool over = false;
  tunnel_->Read([&](const auto& frame) { over = !frame.ok() || !frame->has_value(); });
  host.reset();
  RunUntil([&] { return over; });
}

TEST_F(RpcTest, AReaderThatStopsStopsTheWriter) {
  const auto client = Dial();
  const auto host = DialTunnel(*client);
  RunUntil([&] { return tunnel_ != nullptr; });
  constexpr std::size_t kFrameBytes = 32'768;
  constexpr int kFrames = 20'000;  // 640 MB: more than any buffer on the way.
  int written = 0;
  bool failed = false;
  std::function<void()> write = [&] {
    if (written == kFrames) return;
    host->Write(Data(std::string(kFrameBytes, 'x')), [&](const absl::Status& status) {
      failed = !status.ok();
      if (failed) return;
      ++written;
      write();
    });
  };
  write();
  // Nothing to wait for but silence: the writer is stuck when half a second brings no frame.
  int before = -1;
  while (before != written) {
    before = written;
    bool pause = false;
    loop_.RunAfter(std::chrono::milliseconds(500), [&] { pause = true; });
    RunUntil([&] { return pause; });
  }
  EXPECT_LT(written, 1'000);
  int read = 0;
  std::function<void()> drain = [&] {
    tunnel_->Read([&](const auto& frame) {
      if (!frame.ok() || !frame->has_value()) return;
      ++read;
      drain();
    });
  };
  drain();
  RunUntil([&] { return read > before + 500; });
  EXPECT_FALSE(failed);
}

TEST(RpcUnixSocketTest, ServesTheShimOnAPrivateSocketWithoutTls) {
  AsioLoop loop;
  const TemporaryDirectory directory;
  const std::string path = directory.File("provider.sock");
  ProviderService service(loop);
  std::vector<std::string> peers, got;
  std::unique_ptr<MessagePipe<v1::ProviderMessage, v1::ShimMessage>> provider_pipe;
  service.shims().Start([&](auto pipe, const std::string& peer) {
    peers.push_back(peer);
    provider_pipe = std::move(pipe);
    return MessagePipe<v1::ProviderMessage, v1::ShimMessage>::Handler{
        .on_message = [&](const v1::ShimMessage& message) { got.push_back(message.hello().shim_id()); },
        .on_closed = [](const absl::Status&) {}};
  });
  RpcServer server;
  const auto port =
      server.Listen({.address = "unix:" + path, .tls = {}, .services = {{&service, {}}}, .keepalive = {}});
  ASSERT_TRUE(port.ok()) << port.status();
  struct stat info{};
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
  auto client =
      RpcClient::Make(loop, {.address = "unix:" + path, .tls = {}, .server_name = "", .keepalive = {}});
  ASSERT_TRUE(client.ok()) << client.status();
  const auto connector = MakeProviderConnector(**client);
  const auto pipe =
      connector->Connect({.on_message = [](const auto&) {}, .on_closed = [](const absl::Status&) {}});
  v1::ShimMessage hello;
  hello.mutable_hello()->set_shim_id("shim-1");
  pipe->Send(hello);
  ASSERT_TRUE(RunLoopUntil(loop, [&] { return !got.empty(); }));
  EXPECT_THAT(got, ElementsAre("shim-1"));
  EXPECT_THAT(peers, ElementsAre(""));
  server.Shutdown();
}

TEST(RpcOptionsTest, NamesWhatIsMissing) {
  AsioLoop loop;
  RpcServer server;
  EXPECT_THAT(
      Message(server.Listen({.address = "127.0.0.1:0", .tls = {}, .services = {}, .keepalive = {}}).status()),
      HasSubstr("address 127.0.0.1:0 is not a unix socket and has no TLS configured"));
  RpcTls tls;
  tls.certificate_file = "/nonexistent/tls.crt";
  EXPECT_EQ(
      Message(
          server.Listen({.address = "127.0.0.1:0", .tls = tls, .services = {}, .keepalive = {}}).status()),
      "cannot read the certificate file /nonexistent/tls.crt");
}

}  // namespace
}  // namespace slicelet
