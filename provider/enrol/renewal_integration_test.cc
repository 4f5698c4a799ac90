#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "common/base/testing/temporary_directory.h"
#include "common/loop/asio_loop.h"
#include "common/loop/testing/run_until.h"
#include "common/rpc/edge_link.h"
#include "common/rpc/rpc_client.h"
#include "common/rpc/rpc_server.h"
#include "provider/enrol/hub_directory.h"
#include "provider/enrol/hub_renewal.h"

namespace slicelet::provider {
namespace {

using HostPipe = MessagePipe<v1::HostMessage, v1::HubMessage>;
using HubPipe = MessagePipe<v1::HubMessage, v1::HostMessage>;

constexpr std::uint64_t kLimit = 1 << 20;

/// A hub whose certificates ended yesterday, with the agents' endpoint that serves from its directory.
class RenewalTest : public testing::Test {
 protected:
  void SetUp() override {
    const WallTime now = SystemClock().Now();
    const WallTime then = now - kCertificateValidity - std::chrono::hours(24);
    HubOptions options{.name = "plant-7", .agent_endpoint = "localhost:1", .agent_listen = "127.0.0.1:1"};
    ASSERT_TRUE(InitHub(hub_, options, *files_, then).ok());
    ASSERT_TRUE(AddHost(hub_, "gw-1", "slicelet", *files_, then).ok());
    edge_link_.sessions().Start([this](std::unique_ptr<HubPipe> pipe, const std::string&) {
      hub_pipes_.push_back(std::move(pipe));
      auto* raw = hub_pipes_.back().get();
      return HubPipe::Handler{.on_message = [raw](const v1::HostMessage&) { raw->Send({}); },
                              .on_closed = [](const absl::Status&) {}};
    });
    RpcTls tls;
    tls.certificate_file = hub_ + "/provider.crt";
    tls.key_file = hub_ + "/provider.key";
    tls.ca_file = hub_ + "/ca.crt";
    tls.reload = std::chrono::seconds(1);
    const auto port =
        server_.Listen({.address = "127.0.0.1:0",
                        .tls = tls,
                        .services = {{&edge_link_, [](const RpcPeer&) { return absl::OkStatus(); }}},
                        .keepalive = {}});
    ASSERT_TRUE(port.ok()) << port.status();
    port_ = *port;
  }

  /// An agent that starts with the host's file as it is now.
  std::unique_ptr<RpcClient> StartAgent() {
    const auto host = nlohmann::json::parse(*files_->Read(hub_ + "/hosts/gw-1.slicelet", kLimit));
    RpcTls tls;
    tls.certificate_pem = host["certificate"];
    tls.key_pem = host["key"];
    tls.ca_pem = host["ca"];
    return RpcClient::Make(loop_, {.address = "localhost:" + std::to_string(port_),
                                   .tls = tls,
                                   .server_name = {},
                                   .keepalive = {}})
        .value();
  }

  /// Whether a new session gets an answer.
  bool Connects(RpcClient& client) {
    bool answered = false;
    bool closed = false;
    const auto connector = MakeHubConnector(client);
    const auto pipe = connector->Connect({.on_message = [&](const v1::HubMessage&) { answered = true; },
                                          .on_closed = [&](const absl::Status&) { closed = true; }});
    pipe->Send({});
    EXPECT_TRUE(RunLoopUntil(loop_, [&] { return answered || closed; }));
    return answered;
  }

  bool ConnectsSoon(RpcClient& client) {
    const auto begin = loop_.Now();
    while (loop_.Now() - begin < kPatience) {
      if (Connects(client)) return true;
      bool paused = false;
      loop_.RunAfter(std::chrono::milliseconds(200), [&] { paused = true; });
      EXPECT_TRUE(RunLoopUntil(loop_, [&] { return paused; }));
    }
    return false;
  }

  AsioLoop loop_;
  const TemporaryDirectory directory_;
  const std::string hub_ = directory_.File("hub");
  const std::unique_ptr<FileSystem> files_ = MakeSystemFileSystem();
  EdgeLinkService edge_link_{loop_};
  RpcServer server_;
  std::vector<std::unique_ptr<HubPipe>> hub_pipes_;
  int port_ = 0;
};

TEST_F(RenewalTest, ARunningEndpointTakesRenewedFilesAndRefusesWhatHasEnded) {
  const auto former = StartAgent();
  EXPECT_FALSE(Connects(*former)) << "both have ended";

  // The host's file first: the endpoint's own certificate is still an ended one.
  ASSERT_TRUE(RenewHost(hub_, "gw-1", *files_, SystemClock().Now()).ok());
  const auto young = StartAgent();
  EXPECT_FALSE(Connects(*young)) << "a host accepts no provider whose certificate has ended";

  ASSERT_TRUE(RenewHub(hub_, *files_, SystemClock().Now()).ok());
  EXPECT_TRUE(ConnectsSoon(*young)) << "nobody was restarted";
  EXPECT_FALSE(Connects(*former)) << "the host's former certificate has ended";
}

}  // namespace
}  // namespace slicelet::provider
