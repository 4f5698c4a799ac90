#include "edge-agent/host/host_agent.h"

#include <gtest/gtest.h>

#include "common/base/encoding.h"
#include "common/base/testing/fake_clock.h"
#include "common/base/testing/fake_file_system.h"
#include "common/crypto/signing.h"
#include "common/loop/testing/sim_loop.h"
#include "common/stream/testing/local_pipe.h"
#include "edge-agent/pod/testing/pod_host.h"
#include "edge-agent/probes/testing/fake_prober.h"
#include "edge-agent/runtime/testing/scripted_runtime.h"
#include "edge-agent/store/testing/memory_agent_store.h"

namespace slicelet::agent {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

/// A whole agent on fakes, and a hub that welcomes it and listens.
class HostAgentTest : public testing::Test {
 protected:
  using HubPipe = MessagePipe<v1::HubMessage, v1::HostMessage>;

  HostAgentTest() {
    host_.images["app"].present = true;
    acceptor_->Start([this](std::unique_ptr<HubPipe> pipe, const std::string&) {
      pipe_ = std::move(pipe);
      return HubPipe::Handler{[this](const v1::HostMessage& m) { Hear(m); }, [](const absl::Status&) {}};
    });
  }

  void StartAgent() {
    runtime_ = std::make_unique<ScriptedRuntime>(host_);
    HostAgent::Options options;
    options.facts.set_address(options.pods.host_ip = address_);
    options.pods.hub_id = "hub";
    options.pods.host = HostId("gw-1");
    options.pods.root = "/agent";
    options.pods.log_root = "/logs";
    options.facts.set_cpu_milli(2000);
    options.boot_id = "boot-1";
    options.root_public_key = root_->public_key();
    agent_ = std::make_unique<HostAgent>(
        std::move(options),
        HostAgent::Dependencies{.loop = loop_,
                                .clock = clock_,
                                .random = random_,
                                .files = files_,
                                .store = store_,
                                .runtime = *runtime_,
                                .opener = opener_,
                                .prober = prober_,
                                .hub = *connector_,
                                .dial_tunnel = {},
                                .serve_stream = {},
                                .find_address = [this](const std::string&) { return address_; },
                                .has_address = [this](const std::string& at) { return at == address_; }});
    agent_->Start();
  }

  void Hear(const v1::HostMessage& message) {
    if (message.has_birth()) {
      v1::HubMessage welcome;
      welcome.set_session(message.session());
      welcome.mutable_welcome()->set_hub_id("hub");
      welcome.mutable_welcome()->set_incarnation("i1");
      welcome.mutable_welcome()->set_heartbeat_ms(60'000);
      welcome.mutable_welcome()->set_status_batch_ms(50);
      welcome.mutable_welcome()->set_hub_time(ToUnixNanos(clock_.Now()));
      welcome.mutable_welcome()->set_nonce(message.birth().nonce());
      pipe_->Send(std::move(welcome));
    }
    if (message.has_status()) {
      if (message.status().has_node()) node_ = message.status().node();
      v1::HubMessage ack;
      ack.set_session(message.session());
      ack.mutable_status_ack()->set_sequence(message.status().sequence());
      pipe_->Send(std::move(ack));
    }
    if (message.has_heartbeat())
      rate_ = message.heartbeat().has_receive_rate() ? message.heartbeat().receive_rate() : kNoRate;
    if (message.has_goodbye()) goodbye_ = message.goodbye().reason();
  }

  /// What the hub knows of a condition: "True REASON", or "" for nothing.
  [[nodiscard]] std::string Condition(const std::string& type) const {
    for (const auto& condition : node_.conditions()) {
      if (condition.type() == type) return (condition.status() ? "True " : "False ") + condition.reason();
    }
    return "";
  }

  /// One pod "u1" of image "app", as the store holds it after an earlier life.
  void StoreManifest() {
    v1::Workload pod;
    pod.set_uid("u1");
    pod.set_namespace_("ns");
    pod.set_name("pod");
    pod.add_containers()->set_name("main");
    pod.mutable_containers(0)->set_image("app");
    const std::string bytes = pod.SerializeAsString();
    v1::Manifest manifest;
    manifest.set_host_id("gw-1");
    manifest.set_hub_id("hub");
    manifest.mutable_generation()->set_number(1);
    auto& deployment = *manifest.add_deployments();
    deployment.set_uid("u1");
    deployment.set_namespace_("ns");
    deployment.set_name("pod");
    deployment.set_pod_generation(1);
    deployment.set_digest(Sha256(bytes).value());
    v1::SignedManifest held;
    held.set_manifest(manifest.SerializeAsString());
    AgentStore::Batch batch;
    batch.blobs[Sha256(bytes)] = bytes;
    batch.manifest = held;
    store_.Commit(std::move(batch), [](const absl::Status&) {});
    loop_.Advance(seconds(1));
    store_.Crash();
  }

  SimLoop loop_;
  FakeClock clock_{loop_};
  SeededRandom random_{1};
  FakeFileSystem files_;
  MemoryAgentStore store_{loop_};
  ScriptedHost host_{loop_, clock_};
  FakeProber prober_{loop_};
  PlainOpener opener_;
  std::unique_ptr<Signer> root_ = MakeSignerFromSeed(std::string(32, 'r'));
  LocalLink<v1::HostMessage, v1::HubMessage> link_{loop_, random_};
  std::unique_ptr<Acceptor<v1::HubMessage, v1::HostMessage>> acceptor_ = link_.MakeAcceptor();
  std::unique_ptr<HostAgent::HubConnector> connector_ = link_.MakeConnector("gw-1");
  std::unique_ptr<HubPipe> pipe_;
  v1::NodeFacts node_;
  /// The host's own; "" while it has none.
  std::string address_ = "192.0.2.1";
  static constexpr std::uint64_t kNoRate = 1'000'000'007;
  std::uint64_t rate_ = 0;
  std::string goodbye_;
  std::unique_ptr<ScriptedRuntime> runtime_;
  std::unique_ptr<HostAgent> agent_;
};

TEST_F(HostAgentTest, HeartbeatsTellHowMuchComesIn) {
  const auto received = [this](std::uint64_t bytes) {
    files_.Put("/proc/net/dev", {.data = "  eth0: " + std::to_string(bytes) + " 1 0 0\n"});
  };
  StartAgent();
  loop_.Advance(std::chrono::minutes(3));
  EXPECT_EQ(rate_, kNoRate) << "what can not be told is left out";
  received(1'000'000);
  loop_.Advance(std::chrono::minutes(2));
  received(1'060'000);
  loop_.Advance(std::chrono::minutes(2));
  EXPECT_GT(rate_, 0U);
  EXPECT_LE(rate_, 1'000U);
}

TEST_F(HostAgentTest, TellsWhatItIsAndHowItIs) {
  StartAgent();
  loop_.Advance(seconds(5));
  EXPECT_TRUE(agent_->connected());
  EXPECT_EQ(node_.cpu_milli(), 2000);
  EXPECT_EQ(node_.container_runtime_version(), "scripted://1.0");
  EXPECT_EQ(Condition("RuntimeReady"), "True RuntimeIsUp");
  EXPECT_EQ(Condition("NetworkReady"), "True NetworkIsReady");
  EXPECT_EQ(Condition("DiskPressure"), "False KubeletHasNoDiskPressure");
}

TEST_F(HostAgentTest, ARuntimeThatIsDownIsSeenWithinAMinuteAndItsReturnWithinSeconds) {
  StartAgent();
  loop_.Advance(seconds(5));
  host_.SetAvailable(false);
  loop_.Advance(seconds(62));
  EXPECT_EQ(Condition("RuntimeReady"), "False RuntimeIsDown");
  EXPECT_EQ(Condition("NetworkReady"), "False NetworkPluginNotReady");
  host_.SetAvailable(true);
  loop_.Advance(seconds(5));
  EXPECT_EQ(Condition("RuntimeReady"), "True RuntimeIsUp");
}

TEST_F(HostAgentTest, ANewAddressIsToldOfTheHostAndOfItsPods) {
  StoreManifest();
  StartAgent();
  loop_.Advance(seconds(20));
  EXPECT_EQ(node_.address(), "192.0.2.1");
  EXPECT_EQ(agent_->pods().FindStatus(PodUid("u1"))->host_ip(), "192.0.2.1");
  address_ = "";
  loop_.Advance(minutes(2));
  EXPECT_EQ(node_.address(), "192.0.2.1") << "the last one until there is another";
  address_ = "192.0.2.99";
  loop_.Advance(seconds(15));
  EXPECT_EQ(node_.address(), "192.0.2.99");
  EXPECT_EQ(Condition("RuntimeReady"), "True RuntimeIsUp") << "with all else that is known of the host";
  EXPECT_EQ(agent_->pods().FindStatus(PodUid("u1"))->host_ip(), "192.0.2.99");
}

TEST_F(HostAgentTest, StartsTheStoredPodsWithoutAHub) {
  StoreManifest();
  link_.SetRefused("gw-1", true);
  StartAgent();
  loop_.Advance(seconds(10));
  EXPECT_FALSE(agent_->connected());
  EXPECT_EQ(host_.Running("u1").count("main"), 1U);
}

TEST_F(HostAgentTest, PodsRecordsKnowTheirBoot) {
  StoreManifest();
  StartAgent();
  loop_.Advance(seconds(10));
  EXPECT_EQ(store_.records().at(PodUid("u1")).boot_id(), "boot-1");
}

TEST_F(HostAgentTest, AFullDiskIsReportedAndFreedOfImagesThatNoPodNames) {
  StoreManifest();
  host_.images["stray"].present = true;
  StartAgent();
  loop_.Advance(minutes(10));
  files_.set_space({.total = 1'000'000, .available = 120'000});
  loop_.Advance(seconds(75));
  // 12 % are enough for the agent, not for images.
  EXPECT_EQ(Condition("DiskPressure"), "True KubeletHasDiskPressure");
  EXPECT_FALSE(host_.images["stray"].present);
  EXPECT_TRUE(host_.images["app"].present);
  files_.set_space({.total = 1'000'000, .available = 500'000});
  loop_.Advance(seconds(62));
  EXPECT_EQ(Condition("DiskPressure"), "False KubeletHasNoDiskPressure");
}

TEST_F(HostAgentTest, AFullDiskIsFreedOfImagesWhilePodsHaveNoNetwork) {
  StoreManifest();
  host_.images["stray"].present = true;
  StartAgent();
  // Past the collector's own round of every five minutes.
  loop_.Advance(minutes(6));
  host_.SetNetworkReady(false);
  files_.set_space({.total = 1'000'000, .available = 120'000});
  // The node is looked at every few seconds now; each look finds the disk full.
  loop_.Advance(minutes(9));
  EXPECT_EQ(Condition("NetworkReady"), "False NetworkPluginNotReady");
  EXPECT_EQ(Condition("DiskPressure"), "True KubeletHasDiskPressure");
  EXPECT_FALSE(host_.images["stray"].present);
  EXPECT_TRUE(host_.images["app"].present);
}

TEST_F(HostAgentTest, AStoppedPodsImageStaysForItsNextStart) {
  StoreManifest();
  StartAgent();
  loop_.Advance(seconds(10));
  // Nothing of the pod is left in the runtime, and it can not come back yet.
  host_.Reboot();
  host_.Fail("RunSandbox", absl::UnknownError("no network yet"), 1'000'000);
  for (const auto& [id, state] : std::map(host_.containers())) host_.Vanish(id);
  files_.set_space({.total = 1'000'000, .available = 10'000});
  loop_.Advance(minutes(15));
  EXPECT_TRUE(host_.images["app"].present);
}

TEST_F(HostAgentTest, SaysGoodbyeAndLeavesContainersRunning) {
  StoreManifest();
  StartAgent();
  loop_.Advance(seconds(10));
  bool stopped = false;
  agent_->Stop("shutdown", [&] { stopped = true; });
  loop_.Advance(seconds(3));
  EXPECT_TRUE(stopped);
  EXPECT_EQ(goodbye_, "shutdown");
  agent_.reset();
  runtime_.reset();
  EXPECT_EQ(host_.Running("u1").count("main"), 1U);
}

}  // namespace
}  // namespace slicelet::agent
