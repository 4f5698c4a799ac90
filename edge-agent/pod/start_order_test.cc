// Annotation slicelet.io/depends-on: containers of one pod that start one after the other.
#include <gtest/gtest.h>

#include <algorithm>

#include "edge-agent/pod/testing/pod_host.h"

namespace slicelet::agent {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::int32_t kMetadataPort = 59881;
constexpr std::int32_t kDataPort = 59880;
constexpr char kBoiler[] =
    R"({"device": {"name": "boiler", "serviceName": "device-mqtt", "profileName": "p"}, "profile": {"name": "p"}})";

v1::Probe PortProbe(std::int32_t port) {
  v1::Probe probe;
  probe.mutable_handler()->mutable_tcp_socket()->set_port(port);
  probe.set_period_seconds(1);
  probe.set_timeout_seconds(1);
  probe.set_success_threshold(1);
  probe.set_failure_threshold(3);
  return probe;
}

class StartOrder : public ::testing::Test {
 protected:
  /// device waits for data and metadata, data for metadata; metadata and data answer on their ports.
  v1::Workload Gateway(v1::RestartPolicy policy = v1::RESTART_POLICY_ALWAYS) {
    v1::Workload pod = host_.Pod("u1");
    pod.set_restart_policy(policy);
    pod.clear_containers();
    *pod.add_containers() = host_.MakeContainer("device", "app");
    *pod.add_containers() = host_.MakeContainer("data", "app");
    *pod.add_containers() = host_.MakeContainer("metadata", "app");
    pod.mutable_containers(0)->add_depends_on("data");
    pod.mutable_containers(0)->add_depends_on("metadata");
    pod.mutable_containers(1)->add_depends_on("metadata");
    *pod.mutable_containers(1)->mutable_readiness_probe() = PortProbe(kDataPort);
    *pod.mutable_containers(2)->mutable_readiness_probe() = PortProbe(kMetadataPort);
    return pod;
  }
  /// The same as a gateway of EdgeX, with the IoT devices of these files.
  v1::Workload EdgexGateway(const std::map<std::string, std::string>& files) {
    v1::Workload pod = Gateway();
    pod.mutable_containers(1)->set_name("core-data");
    pod.mutable_containers(2)->set_name("core-metadata");
    for (auto& container : *pod.mutable_containers()) {
      for (auto& name : *container.mutable_depends_on()) name.insert(0, "core-");
    }
    auto& volume = *pod.add_volumes();
    volume.set_name("sensors");
    volume.mutable_projection()->add_sources()->mutable_content()->set_content_id("configmap/sensors");
    v1::GatewayDeployment& gateway = host_.gateways["u1"];
    gateway.set_devices_volume("sensors");
    gateway.set_core_metadata_port(kMetadataPort);
    gateway.set_core_data_port(kDataPort);
    host_.SetContent("configmap/sensors", files);
    host_.edgex.services["device-mqtt"] = {{"name", "device-mqtt"}};
    return pod;
  }
  void Fail(std::int32_t port) { host_.prober.Set(port, absl::UnavailableError("connection refused")); }
  void Answer(std::int32_t port) { host_.prober.Set(port, absl::OkStatus()); }
  bool UntilReady() {
    return host_.RunUntil([&] { return host_.IsReady("u1"); });
  }
  const v1::ContainerStatus& Of(const std::string& name) {
    static const v1::ContainerStatus kNone;
    const v1::WorkloadStatus& status = host_.Status("u1");
    for (const auto* list : {&status.init_containers(), &status.containers()}) {
      for (const auto& container : *list) {
        if (container.name() == name) return container;
      }
    }
    return kNone;
  }
  std::vector<std::string> Started() {
    std::vector<std::string> names;
    for (const auto& start : host_.runtime_host.starts()) names.push_back(start.container);
    return names;
  }

  void Crash(const std::string& name) {
    host_.runtime_host.Kill(host_.runtime_host.Running("u1").at(name), 137);
  }

  PodHost host_;
};

TEST_F(StartOrder, EachContainerWaitsUntilAllItDependsOnAreReady) {
  Fail(kMetadataPort);
  Fail(kDataPort);
  host_.Apply({Gateway()});
  host_.loop.Advance(seconds(20));
  EXPECT_EQ(Started(), std::vector<std::string>{"metadata"});
  EXPECT_EQ(Of("data").state().waiting().reason(), "DependencyNotReady");
  EXPECT_EQ(Of("data").state().waiting().message(),
            "waits for metadata (not ready) (slicelet.io/depends-on)");
  EXPECT_EQ(Of("device").state().waiting().message(),
            "waits for data (not running), metadata (not ready) (slicelet.io/depends-on)");
  EXPECT_EQ(host_.Status("u1").phase(), v1::PHASE_PENDING);

  Answer(kMetadataPort);
  host_.loop.Advance(seconds(20));
  EXPECT_EQ(Started(), (std::vector<std::string>{"metadata", "data"}));
  Answer(kDataPort);
  ASSERT_TRUE(UntilReady());
  EXPECT_EQ(Started(), (std::vector<std::string>{"metadata", "data", "device"}));
}

TEST_F(StartOrder, AStartupProbeHoldsOthersUpToo) {
  v1::Workload pod = Gateway();
  pod.mutable_containers(2)->clear_readiness_probe();
  *pod.mutable_containers(2)->mutable_startup_probe() = PortProbe(kMetadataPort);
  pod.mutable_containers(2)->mutable_startup_probe()->set_failure_threshold(120);
  Fail(kMetadataPort);
  host_.Apply({pod});
  host_.loop.Advance(seconds(20));
  EXPECT_EQ(Started(), std::vector<std::string>{"metadata"});
  Answer(kMetadataPort);
  ASSERT_TRUE(UntilReady());
}

TEST_F(StartOrder, ACrashedDependencyRestartsAloneAndNobodyElse) {
  host_.Apply({Gateway()});
  ASSERT_TRUE(UntilReady());
  Crash("metadata");
  ASSERT_TRUE(host_.RunUntil([&] { return Of("metadata").restart_count() == 1 && host_.IsReady("u1"); }));
  EXPECT_EQ(Of("data").restart_count(), 0);
  EXPECT_EQ(Of("device").restart_count(), 0);
}

TEST_F(StartOrder, ADependentThatCrashedWaitsForItsDependencyAgain) {
  host_.Apply({Gateway()});
  ASSERT_TRUE(UntilReady());
  Fail(kMetadataPort);
  ASSERT_TRUE(host_.RunUntil([&] { return !Of("metadata").ready(); }));
  Crash("data");
  host_.loop.Advance(seconds(30));
  EXPECT_EQ(Of("data").state().waiting().reason(), "DependencyNotReady");
  EXPECT_EQ(Of("data").last_state().terminated().exit_code(), 137);
  EXPECT_EQ(host_.runtime_host.StartCount("u1", "data"), 1);
  EXPECT_EQ(host_.runtime_host.StartCount("u1", "device"), 1) << "it runs, and is left alone";
  Answer(kMetadataPort);
  ASSERT_TRUE(UntilReady());
  EXPECT_EQ(host_.runtime_host.StartCount("u1", "data"), 2);
}

TEST_F(StartOrder, AnAgentKilledInMidOrderGoesOnWhereItWas) {
  for (int at = 0; at < 200; at += 5) {
    PodHost host;
    host.prober.Set(kDataPort, absl::UnavailableError("refused"));
    host.Apply({Gateway()});
    host.loop.Advance(milliseconds(at));
    host.Kill();
    host.loop.Advance(milliseconds(at % 7 * 20));
    host.StartAgent();
    host.loop.Advance(seconds(10));
    ASSERT_EQ(host.runtime_host.StartCount("u1", "metadata"), 1) << at;
    ASSERT_EQ(host.runtime_host.StartCount("u1", "data"), 1) << at;
    ASSERT_EQ(host.runtime_host.StartCount("u1", "device"), 0) << at << ": data is not ready";
    host.prober.Set(kDataPort, absl::OkStatus());
    ASSERT_TRUE(host.RunUntil([&] { return host.IsReady("u1"); })) << at;
    EXPECT_EQ(host.runtime_host.starts().size(), 3U) << at;
  }
}

TEST_F(StartOrder, ARebootKeepsTheOrder) {
  host_.Apply({Gateway()});
  ASSERT_TRUE(UntilReady());
  host_.Reboot();
  host_.StartAgent();
  ASSERT_TRUE(host_.RunUntil([&] { return host_.runtime_host.starts().size() == 6 && host_.IsReady("u1"); }));
  EXPECT_EQ(Started(),
            (std::vector<std::string>{"metadata", "data", "device", "metadata", "data", "device"}));
}

TEST_F(StartOrder, OneThatFinishedWithZeroIsMet) {
  v1::Workload pod = Gateway(v1::RESTART_POLICY_ON_FAILURE);
  pod.mutable_containers(2)->set_image("job");
  // It is never Ready while it runs.
  Fail(kMetadataPort);
  host_.Apply({pod});
  ASSERT_TRUE(host_.RunUntil([&] { return Of("device").ready(); }));
  EXPECT_EQ(Of("metadata").state().terminated().exit_code(), 0);
}

TEST_F(StartOrder, OneThatFailedForGoodEndsThePodInsteadOfWaitingForEver) {
  v1::Workload pod = Gateway(v1::RESTART_POLICY_NEVER);
  host_.runtime_host.images["bad"].present = true;
  host_.runtime_host.images["bad"].exits_after = seconds(1);
  host_.runtime_host.images["bad"].exit_code = 2;
  pod.mutable_containers(2)->set_image("bad");
  Fail(kMetadataPort);
  host_.Apply({pod});
  ASSERT_TRUE(host_.RunUntil([&] { return host_.Status("u1").phase() == v1::PHASE_FAILED; }));
  EXPECT_EQ(Started(), std::vector<std::string>{"metadata"});
}

TEST_F(StartOrder, ASidecarCanBeWaitedForUntilItIsReady) {
  v1::Workload pod = Gateway();
  v1::Container broker = host_.MakeContainer("broker", "app");
  broker.set_sidecar(true);
  *broker.mutable_readiness_probe() = PortProbe(1883);
  *pod.add_init_containers() = broker;
  pod.mutable_containers(2)->add_depends_on("broker");
  Fail(1883);
  host_.Apply({pod});
  host_.loop.Advance(seconds(20));
  EXPECT_EQ(Started(), std::vector<std::string>{"broker"}) << "a sidecar that started is not Ready yet";
  Answer(1883);
  ASSERT_TRUE(UntilReady());
}

TEST_F(StartOrder, ImagesArePulledWhileTheOrderIsWaitedFor) {
  v1::Workload pod = Gateway();
  pod.mutable_containers(0)->set_image("absent");
  host_.runtime_host.images["absent"].missing = true;
  Fail(kMetadataPort);
  host_.Apply({pod});
  ASSERT_TRUE(host_.RunUntil([&] { return Of("device").state().waiting().reason() == "ErrImagePull"; }));
}

TEST_F(StartOrder, ACircleWaitsAndHarmsNobody) {
  v1::Workload pod = Gateway();
  pod.mutable_containers(2)->add_depends_on("device");
  host_.Apply({pod});
  host_.loop.Advance(seconds(20));
  EXPECT_TRUE(Started().empty());
  host_.Stop("u1", 1);
  EXPECT_TRUE(host_.RunUntil([&] { return host_.Status("u1").gone(); }));
}

TEST_F(StartOrder, TheGatewayConditionNamesTheServiceThatHoldsItUp) {
  const auto condition = [&] {
    for (const auto& condition : host_.Status("u1").conditions()) {
      if (condition.type() == "slicelet.io/Gateway") return condition;
    }
    return v1::Condition();
  };
  Fail(kMetadataPort);
  host_.gateways["u1"] = {};
  host_.Apply({Gateway()});
  ASSERT_TRUE(host_.RunUntil([&] { return Of("metadata").state().has_running(); }));
  EXPECT_FALSE(condition().status());
  EXPECT_EQ(condition().reason(), "ServiceNotReady");
  EXPECT_EQ(condition().message(), "metadata: not ready (2 more wait for others)");
  Answer(kMetadataPort);
  ASSERT_TRUE(UntilReady());
  EXPECT_TRUE(condition().status());
  Crash("data");
  ASSERT_TRUE(host_.RunUntil([&] { return !condition().status(); }));
  EXPECT_EQ(condition().message(), "data: exit code 137");
}

TEST_F(StartOrder, AGatewaysIotDevicesAreAppliedWhenCoreMetadataIsReadyAndAgainAfterItsCrash) {
  const v1::Workload pod = EdgexGateway({{"boiler.json", kBoiler}, {"broken.json", "{"}});
  Fail(kMetadataPort);
  host_.Apply({pod});
  host_.loop.Advance(seconds(20));
  EXPECT_EQ(host_.edgex.requests, 0) << "core-metadata is not ready";
  Answer(kMetadataPort);
  ASSERT_TRUE(host_.RunUntil([&] { return host_.edgex.devices.count("boiler") == 1; }));
  ASSERT_TRUE(host_.RunUntil(
      [&] { return host_.Status("u1").devices_size() == 2 && host_.Status("u1").devices(0).applied(); }));
  EXPECT_EQ(host_.Status("u1").devices(1).reason(), "InvalidDevice");
  const auto& conditions = host_.Status("u1").conditions();
  const auto told = std::find_if(conditions.begin(), conditions.end(), [](const auto& condition) {
    return condition.type() == "slicelet.io/Devices";
  });
  ASSERT_NE(told, conditions.end());
  EXPECT_FALSE(told->status());
  EXPECT_EQ(
      told->message(),
      "1 of 2 not applied; broken.json: InvalidDevice: \"broken.json\" is no JSON object with a \"device\"");

  host_.edgex.devices.clear();
  Crash("core-metadata");
  ASSERT_TRUE(host_.RunUntil([&] { return host_.edgex.devices.count("boiler") == 1; }, seconds(20)));
  host_.SetContent("configmap/sensors", {});
  host_.Apply({pod});
  ASSERT_TRUE(host_.RunUntil([&] { return host_.edgex.devices.empty(); }, seconds(20)));
  EXPECT_EQ(host_.Status("u1").devices_size(), 0);
}

TEST_F(StartOrder, IotDevicesThatWereLostAreAppliedWhenTheyAreThereAgain) {
  const v1::Workload pod = EdgexGateway({{"boiler.json", kBoiler}});
  host_.Apply({pod});
  ASSERT_TRUE(UntilReady());
  ASSERT_TRUE(host_.RunUntil([&] { return host_.edgex.devices.count("boiler") == 1; }));
  host_.Kill();
  const Digest workload(host_.store.records().at(PodUid("u1")).in_effect().digest());
  for (const auto& [digest, bytes] : host_.store.blobs()) {
    if (digest != workload) host_.store.DamageBlob(digest);
  }
  host_.edgex.devices.clear();
  host_.StartAgent();
  host_.loop.Advance(seconds(20));
  EXPECT_TRUE(host_.edgex.devices.empty());
  EXPECT_TRUE(host_.IsReady("u1"));
  host_.Apply({pod});
  EXPECT_TRUE(host_.RunUntil([&] { return host_.edgex.devices.count("boiler") == 1; }));
}

TEST_F(StartOrder, WhatCoreDataHoldsOfAnIotDeviceIsInTheStatusWhileItIsAwayToo) {
  host_.edgex.readings["boiler"] = {.count = 12, .newest = 4'711};
  Fail(kDataPort);
  host_.Apply({EdgexGateway({{"boiler.json", kBoiler}, {"broken.json", "{"}})});
  ASSERT_TRUE(host_.RunUntil(
      [&] { return host_.Status("u1").devices_size() == 2 && host_.Status("u1").devices(0).applied(); }));
  host_.loop.Advance(seconds(120));
  EXPECT_FALSE(host_.Status("u1").devices(0).has_readings()) << "core-data is not ready";
  Answer(kDataPort);
  ASSERT_TRUE(host_.RunUntil([&] { return host_.Status("u1").devices(0).has_readings(); }));
  EXPECT_EQ(host_.Status("u1").devices(0).readings().count(), 12);
  EXPECT_EQ(host_.Status("u1").devices(0).readings().newest(), 4'711);
  EXPECT_TRUE(host_.Status("u1").devices(0).applied());
  EXPECT_FALSE(host_.Status("u1").devices(1).has_readings());
  EXPECT_EQ(host_.edgex.asked, std::vector<std::string>{"boiler"}) << "a file that is no device has no name";

  host_.edgex.readings["boiler"] = {.count = 13, .newest = 4'712};
  Fail(kDataPort);
  host_.loop.Advance(seconds(120));
  EXPECT_EQ(host_.Status("u1").devices(0).readings().count(), 12);
  Answer(kDataPort);
  EXPECT_TRUE(host_.RunUntil([&] { return host_.Status("u1").devices(0).readings().count() == 13; }));
}

TEST_F(StartOrder, AGatewayWithoutCoreDataTellsOfNoReadings) {
  v1::Workload pod = EdgexGateway({{"boiler.json", kBoiler}});
  host_.gateways["u1"].set_core_data_port(0);
  host_.Apply({pod});
  host_.loop.Advance(seconds(120));
  ASSERT_EQ(host_.Status("u1").devices_size(), 1);
  EXPECT_FALSE(host_.Status("u1").devices(0).has_readings());
  EXPECT_TRUE(host_.edgex.asked.empty());
}

TEST_F(StartOrder, APodThatIsNoGatewayHasNoSuchCondition) {
  host_.Apply({Gateway()});
  ASSERT_TRUE(UntilReady());
  for (const auto& condition : host_.Status("u1").conditions()) {
    EXPECT_FALSE(condition.type().starts_with("slicelet.io/")) << condition.type();
  }
}

TEST_F(StartOrder, RemovalInMidOrderLeavesNothing) {
  Fail(kMetadataPort);
  host_.Apply({Gateway()});
  host_.loop.Advance(seconds(5));
  host_.Stop("u1", 1);
  ASSERT_TRUE(host_.RunUntil([&] { return host_.Status("u1").gone(); }));
  EXPECT_TRUE(host_.runtime_host.sandboxes().empty());
}

}  // namespace
}  // namespace slicelet::agent
