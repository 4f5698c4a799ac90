#include "kubelet-shim/node/node_controller.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "common/base/testing/fake_clock.h"
#include "common/json/json.h"
#include "common/loop/testing/sim_loop.h"
#include "kube/object.h"
#include "kube/testing/forwarding_kube_api.h"
#include "kube/testing/memory_kube_api.h"

namespace slicelet::shim {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using testing::ElementsAre;

/// A mutating webhook that has a will of its own about a label.
class Webhook final : public kube::ForwardingKubeApi {
 public:
  using ForwardingKubeApi::ForwardingKubeApi;

  void Patch(const kube::ObjectRef& ref, kube::PatchType type, const Json& patch,
             Callback<Json> done) override {
    if (ref.subresource.empty()) ++patches;
    Json changed = patch;
    if (changed.at("metadata").contains("labels")) changed["metadata"]["labels"]["site"] = "south";
    ForwardingKubeApi::Patch(ref, type, changed, std::move(done));
  }

  int patches = 0;
};

class NodeControllerTest : public testing::Test {
 protected:
  void SetUp() override {
    server.faults().after = [this](const kube::KubeCall& call, const absl::Status& outcome) {
      if (outcome.ok() && call.ref.subresource == "status") ++status_writes;
      return absl::OkStatus();
    };
    declaration.set_name("gw");
    declaration.set_host("gw");
    declaration.set_slice("plant");
    (*declaration.mutable_labels())["site"] = "north";
  }
  void Begin(std::shared_ptr<kube::KubeApi> api = nullptr) {
    if (api == nullptr) api = server.ApiAs("system:node:gw");
    node = std::make_unique<NodeController>(
        declaration, "10.0.0.9", 10'250, NodeController::Options{"hub-1", "v1.36.0", seconds(40)},
        NodeController::Dependencies{loop, clock, random, std::move(api), *controller,
                                     [this](const std::string& uid) { uids.push_back(uid); },
                                     [this](const std::string& why) { refusals.push_back(why); }});
    node->Start();
    loop.Advance(seconds(1));
  }
  v1::NodeReport Facts() {
    v1::NodeReport report;
    report.set_name("gw");
    report.set_boot_id("boot-1");
    auto* facts = report.mutable_facts();
    facts->set_architecture("aarch64");
    facts->set_container_runtime_version("containerd://1.6.20");
    facts->set_cpu_milli(4'000);
    facts->set_memory_bytes(std::int64_t{8} << 30);
    facts->set_pods(110);
    facts->set_allocatable_cpu_milli(3'900);
    facts->set_allocatable_memory_bytes(std::int64_t{7} << 30);
    report.mutable_link()->set_type("LinkReady");
    report.mutable_link()->set_status(true);
    report.mutable_link()->set_reason("Connected");
    return report;
  }
  Json Object() {
    const auto stored = server.cluster().Peek(kube::kNodes, "", "gw");
    return stored == nullptr ? Json() : *stored;
  }
  Json Condition(const std::string& type) {
    const Json object = Object();
    for (const Json& condition : GetArray(object, "/status/conditions")) {
      if (kube::TextAt(condition, {"type"}) == type) return condition;
    }
    return Json();
  }

  SimLoop loop;
  FakeClock clock{loop};
  SeededRandom random{7};
  kube::MemoryApiServer server{loop, clock, random};
  std::unique_ptr<kube::KubeApi> controller = server.ApiAs("controller");
  v1::NodeDeclare declaration;
  std::vector<std::string> uids;
  std::vector<std::string> refusals;
  int status_writes = 0;
  std::unique_ptr<NodeController> node;
};

TEST_F(NodeControllerTest, RegistersWithLabelsTaintAddressAndLease) {
  Begin();
  const Json object = Object();
  EXPECT_EQ(GetObject(object, "/metadata/labels"),
            Json::parse(R"({"kubernetes.io/hostname":"gw","kubernetes.io/os":"linux",
    "type":"virtual-kubelet","node.kubernetes.io/exclude-disruption":"true","slicelet.io/hub":"hub-1",
    "slicelet.io/slice":"plant","site":"north"})"));
  EXPECT_EQ(GetArray(object, "/spec/taints"),
            Json::parse(R"([{"key":"slicelet.io/slice-node","value":"hub-1","effect":"NoSchedule"}])"));
  EXPECT_EQ(GetString(object, "/status/addresses/0/address"), "10.0.0.9");
  EXPECT_EQ(GetInt(object, "/status/daemonEndpoints/kubeletEndpoint/Port"), 10'250);
  const auto lease = server.cluster().Peek(kube::kLeases, "kube-node-lease", "gw");
  ASSERT_NE(lease, nullptr);
  EXPECT_EQ(GetString(*lease, "/spec/holderIdentity"), "gw");
  EXPECT_EQ(GetInt(*lease, "/spec/leaseDurationSeconds"), 40);
  EXPECT_EQ(GetString(*lease, "/metadata/ownerReferences/0/uid"), kube::UidOf(object));
  EXPECT_EQ(node->lease_resource_version(), kube::VersionNumber(kube::ResourceVersionOf(*lease)));
  EXPECT_THAT(uids, ElementsAre(kube::UidOf(object)));
}

TEST_F(NodeControllerTest, IsReadyOnceItsSizeIsKnown) {
  Begin();
  EXPECT_EQ(kube::TextAt(Condition("Ready"), {"status"}), "False");
  EXPECT_EQ(kube::TextAt(Condition("MemoryPressure"), {"status"}), "Unknown");
  EXPECT_EQ(kube::TextAt(Condition("MemoryPressure"), {"reason"}), "NodeStatusNeverUpdated");
  node->Report(Facts());
  loop.Advance(seconds(1));
  EXPECT_EQ(kube::TextAt(Condition("Ready"), {"status"}), "True");
  EXPECT_EQ(kube::TextAt(Condition("Ready"), {"reason"}), "KubeletReady");
  EXPECT_EQ(kube::TextAt(Condition("MemoryPressure"), {"status"}), "False");
  EXPECT_EQ(kube::TextAt(Condition("slicelet.io/LinkReady"), {"status"}), "True");
  const Json object = Object();
  EXPECT_EQ(GetString(object, "/status/capacity/cpu"), "4");
  EXPECT_EQ(GetString(object, "/status/allocatable/cpu"), "3900m");
  EXPECT_EQ(GetString(object, "/status/capacity/memory"), "8Gi");
  EXPECT_EQ(GetString(object, "/status/nodeInfo/bootID"), "boot-1");
  EXPECT_EQ(GetString(object, "/status/nodeInfo/kubeletVersion"), "v1.36.0");
  EXPECT_EQ(GetString(object, "/metadata/labels/kubernetes.io~1arch"), "arm64");
}

TEST_F(NodeControllerTest, WritesTheStatusOnChangeOrEveryFiveMinutes) {
  Begin();
  node->Report(Facts());
  loop.Advance(seconds(10));
  status_writes = 0;
  node->Report(Facts());
  loop.Advance(minutes(4));
  EXPECT_EQ(status_writes, 0);
  loop.Advance(minutes(2));
  EXPECT_EQ(status_writes, 1);
}

TEST_F(NodeControllerTest, TransitionTimesMoveOnlyWhenTheStatusFlips) {
  Begin();
  node->Report(Facts());
  loop.Advance(seconds(1));
  const Json before = Condition("Ready");
  loop.Advance(minutes(6));
  const Json after = Condition("Ready");
  EXPECT_EQ(before.at("lastTransitionTime"), after.at("lastTransitionTime"));
  EXPECT_NE(before.at("lastHeartbeatTime"), after.at("lastHeartbeatTime"));
}

TEST_F(NodeControllerTest, ALostLinkTaintsTheNodeAndItsReturnClearsThat) {
  Begin();
  ASSERT_TRUE(server.cluster()
                  .Patch("admin", {kube::kNodes, "", "gw", ""}, kube::PatchType::kMerge,
                         Json::parse(R"({"spec":{"taints":[{"key":"foreign","effect":"NoExecute"},
                           {"key":"slicelet.io/slice-node","value":"hub-1","effect":"NoSchedule"}]}})"))
                  .ok());
  v1::NodeReport lost = Facts();
  lost.mutable_link()->set_status(false);
  lost.mutable_link()->set_reason("Silent");
  node->Report(lost);
  loop.Advance(seconds(1));
  EXPECT_EQ(Object().at("spec").at("taints").size(), 3U);
  EXPECT_EQ(kube::TextAt(Condition("slicelet.io/LinkReady"), {"reason"}), "Silent");
  EXPECT_EQ(kube::TextAt(Condition("Ready"), {"status"}), "True");
  node->Report(Facts());
  loop.Advance(seconds(1));
  EXPECT_EQ(Object().at("spec").at("taints").size(), 2U);
}

TEST_F(NodeControllerTest, WithoutAProviderWhatItSaidIsUnknownUntilItReportsAgain) {
  Begin();
  v1::NodeReport report = Facts();
  report.mutable_link()->set_last_transition(ToUnixNanos(clock.Now()));
  auto* runtime = report.mutable_facts()->add_conditions();
  runtime->set_type("RuntimeReady");
  runtime->set_status(true);
  auto* accepted = report.add_conditions();
  accepted->set_type("slicelet.io/ManifestAccepted");
  accepted->set_status(true);
  node->Report(report);
  loop.Advance(seconds(10));
  ASSERT_TRUE(
      server.cluster()
          .Patch("admin", {kube::kNodes, "", "gw", "status"}, kube::PatchType::kStrategicMerge,
                 Json::parse(R"({"status":{"conditions":[{"type":"example.com/Fan","status":"True"}]}})"))
          .ok());
  const auto status = [this](const char* type) { return kube::TextAt(Condition(type), {"status"}); };
  const auto heard = [this](const char* type) {
    return kube::TextAt(Condition(type), {"lastHeartbeatTime"});
  };
  const std::string since = FormatTime(clock.Now());
  node->OnSessionLost();
  loop.Advance(seconds(50));
  EXPECT_EQ(status("slicelet.io/LinkReady"), "True");
  loop.Advance(seconds(15));
  for (const char* type : {"slicelet.io/LinkReady", "slicelet.io/RuntimeReady",
                           "slicelet.io/ManifestAccepted", "MemoryPressure"}) {
    EXPECT_EQ(status(type), "Unknown") << type;
    EXPECT_EQ(kube::TextAt(Condition(type), {"reason"}), "ProviderUnreachable") << type;
    EXPECT_THAT(kube::TextAt(Condition(type), {"message"}), testing::HasSubstr("away since " + since));
  }
  EXPECT_EQ(status("Ready"), "True") << "its pods run on and must not be evicted";
  EXPECT_EQ(status("example.com/Fan"), "True") << "of others";
  const Json taints = Object().at("spec").at("taints");
  ASSERT_EQ(taints.size(), 2U);
  EXPECT_EQ(taints[1], Json::parse(R"({"key":"slicelet.io/link-lost","effect":"NoSchedule"})"));

  const std::string link = heard("slicelet.io/LinkReady");
  const std::string ready = heard("Ready");
  loop.Advance(minutes(6));
  EXPECT_EQ(heard("slicelet.io/LinkReady"), link) << "nobody has heard of it";
  EXPECT_NE(heard("Ready"), ready);

  // Back, it has not heard of the host yet.
  node->Declare(declaration);
  loop.Advance(minutes(1));
  EXPECT_EQ(status("slicelet.io/LinkReady"), "Unknown");
  report.clear_conditions();
  const std::string back = FormatTime(clock.Now());
  node->Report(report);
  loop.Advance(seconds(1));
  EXPECT_EQ(status("slicelet.io/LinkReady"), "True");
  EXPECT_EQ(kube::TextAt(Condition("slicelet.io/LinkReady"), {"lastTransitionTime"}), back);
  EXPECT_EQ(status("MemoryPressure"), "False");
  EXPECT_TRUE(Condition("slicelet.io/ManifestAccepted").is_null()) << "it speaks of it no more";
  EXPECT_EQ(Object().at("spec").at("taints").size(), 1U);
}

TEST_F(NodeControllerTest, AProviderThatIsSoonBackChangesNothing) {
  Begin();
  node->Report(Facts());
  loop.Advance(seconds(10));
  status_writes = 0;
  node->OnSessionLost();
  loop.Advance(seconds(50));
  node->Declare(declaration);
  loop.Advance(minutes(3));
  EXPECT_EQ(status_writes, 0);
}

TEST_F(NodeControllerTest, WhatAFormerShimWasToldIsUnknownTooWithoutAProvider) {
  Begin();
  node->Report(Facts());
  loop.Advance(seconds(1));
  Begin();
  node->OnSessionLost();
  loop.Advance(seconds(70));
  EXPECT_EQ(kube::TextAt(Condition("slicelet.io/LinkReady"), {"status"}), "Unknown");
  EXPECT_EQ(kube::TextAt(Condition("Ready"), {"status"}), "True");
}

TEST_F(NodeControllerTest, ATaintOfMaintenanceThatIsOverGoesAlsoWhenAFormerShimSetIt) {
  Begin();
  ASSERT_TRUE(server.cluster()
                  .Patch("admin", {kube::kNodes, "", "gw", ""}, kube::PatchType::kMerge,
                         Json::parse(R"({"spec":{"taints":[{"key":"foreign","effect":"NoExecute"},
                           {"key":"slicelet.io/maintenance","effect":"NoSchedule"}]}})"))
                  .ok());
  node->Report(Facts());
  loop.Advance(seconds(1));
  const Json taints = Object().at("spec").at("taints");
  ASSERT_EQ(taints.size(), 2U) << taints;
  EXPECT_EQ(taints[0].at("key"), "foreign");
  EXPECT_EQ(taints[1].at("key"), "slicelet.io/slice-node");
}

TEST_F(NodeControllerTest, TakesBackWhatTheNodeControllerManagerWrote) {
  Begin();
  node->Report(Facts());
  loop.Advance(seconds(1));
  ASSERT_TRUE(
      server.cluster()
          .Patch(
              "admin", {kube::kNodes, "", "gw", "status"}, kube::PatchType::kStrategicMerge,
              Json::parse(
                  R"({"status":{"conditions":[{"type":"Ready","status":"Unknown","reason":"NodeStatusUnknown"}]}})"))
          .ok());
  loop.Advance(seconds(1));
  EXPECT_EQ(kube::TextAt(Condition("Ready"), {"status"}), "True");
}

TEST_F(NodeControllerTest, MakesADeletedNodeAgain) {
  Begin();
  node->Report(Facts());
  loop.Advance(seconds(1));
  ASSERT_TRUE(server.cluster().Delete("admin", {kube::kNodes, "", "gw", ""}, {}).ok());
  loop.Advance(seconds(1));
  EXPECT_EQ(kube::TextAt(Condition("Ready"), {"status"}), "True");
  ASSERT_EQ(uids.size(), 2U);
  EXPECT_NE(uids[0], uids[1]);
  loop.Advance(seconds(11));
  const auto lease = server.cluster().Peek(kube::kLeases, "kube-node-lease", "gw");
  EXPECT_EQ(GetString(*lease, "/metadata/ownerReferences/0/uid"), uids[1]);
}

/// Answers to patches come late: the watch is faster.
class LateAnswers final : public kube::ForwardingKubeApi {
 public:
  LateAnswers(Loop& loop, std::unique_ptr<kube::KubeApi> api)
      : ForwardingKubeApi(std::move(api)), loop_(loop) {}

  void Patch(const kube::ObjectRef& ref, kube::PatchType type, const Json& patch,
             Callback<Json> done) override {
    ForwardingKubeApi::Patch(ref, type, patch, [this, done = std::move(done)](absl::StatusOr<Json> answer) {
      loop_.RunAfter(seconds(1), [done, answer = std::move(answer)] { done(answer); });
    });
  }

 private:
  Loop& loop_;
};

TEST_F(NodeControllerTest, MakesANodeAgainThatWasDeletedBeforeAWriteWasAnswered) {
  Begin(std::make_unique<LateAnswers>(loop, server.ApiAs("system:node:gw")));
  v1::NodeReport report = Facts();
  node->Report(report);
  loop.Advance(seconds(10));
  report.mutable_facts()->set_pods(50);
  node->Report(report);
  loop.Advance(std::chrono::milliseconds(500));
  ASSERT_EQ(GetString(Object(), "/status/capacity/pods"), "50") << "written, and not answered yet";
  ASSERT_TRUE(server.cluster().Delete("admin", {kube::kNodes, "", "gw", ""}, {}).ok());
  loop.Advance(seconds(10));
  EXPECT_EQ(uids.size(), 2U);
  EXPECT_EQ(kube::TextAt(Condition("Ready"), {"status"}), "True");
}

TEST_F(NodeControllerTest, AdoptsItsOwnAfterARestart) {
  Begin();
  node->Report(Facts());
  loop.Advance(seconds(1));
  const std::string uid = kube::UidOf(Object());
  Begin();
  EXPECT_EQ(uids.back(), uid);
  // The size is remembered by the API server, so the node stays ready before the host reports again.
  EXPECT_EQ(kube::TextAt(Condition("Ready"), {"status"}), "True");
}

TEST_F(NodeControllerTest, LeavesAForeignNodeAlone) {
  const Json foreign = Json::parse(R"({"metadata":{"name":"gw","labels":{"kubernetes.io/os":"linux"}}})");
  ASSERT_TRUE(server.cluster().Create("admin", {kube::kNodes, "", "gw", ""}, foreign).ok());
  const Json before = Object();
  Begin();
  node->Report(Facts());
  loop.Advance(minutes(10));
  EXPECT_EQ(Object(), before);
  EXPECT_EQ(server.cluster().Peek(kube::kLeases, "kube-node-lease", "gw"), nullptr);
  ASSERT_EQ(refusals.size(), 1U);
  EXPECT_THAT(refusals[0], testing::HasSubstr("slicelet.io/hub"));
  EXPECT_TRUE(uids.empty());
  EXPECT_FALSE(node->registered());
}

TEST_F(NodeControllerTest, ANodeThatComesBackToTheHubIsServedAgain) {
  Begin();
  node->Report(Facts());
  loop.Advance(seconds(1));
  const auto label = [&](const Json& hub) {
    ASSERT_TRUE(server.cluster()
                    .Patch("admin", {kube::kNodes, "", "gw", ""}, kube::PatchType::kMerge,
                           {{"metadata", {{"labels", {{"slicelet.io/hub", hub}}}}}})
                    .ok());
    loop.Advance(minutes(1));
  };
  const auto renewed = [&] {
    return GetString(*server.cluster().Peek(kube::kLeases, "kube-node-lease", "gw"), "/spec/renewTime");
  };
  label(nullptr);
  EXPECT_EQ(refusals.size(), 1U);
  EXPECT_FALSE(node->registered());
  const std::string last = renewed();
  loop.Advance(minutes(1));
  EXPECT_EQ(renewed(), last) << "nobody serves it";
  label("hub-1");
  ASSERT_EQ(uids.size(), 2U);
  EXPECT_EQ(uids[0], uids[1]);
  EXPECT_TRUE(node->registered());
  EXPECT_NE(renewed(), last);
}

TEST_F(NodeControllerTest, RenewsItsLeaseAndMakesItAgain) {
  Begin();
  loop.Advance(seconds(60));
  const auto version = node->lease_resource_version();
  loop.Advance(seconds(11));
  EXPECT_GT(node->lease_resource_version(), version);
  ASSERT_TRUE(server.cluster().Delete("admin", {kube::kLeases, "kube-node-lease", "gw", ""}, {}).ok());
  loop.Advance(seconds(12));
  EXPECT_NE(server.cluster().Peek(kube::kLeases, "kube-node-lease", "gw"), nullptr);
}

TEST_F(NodeControllerTest, SurvivesAnApiServerThatIsAway) {
  server.SetDown(true);
  Begin();
  loop.Advance(minutes(2));
  server.SetDown(false);
  loop.Advance(seconds(40));
  node->Report(Facts());
  loop.Advance(seconds(1));
  EXPECT_EQ(kube::TextAt(Condition("Ready"), {"status"}), "True");
}

TEST_F(NodeControllerTest, DoesNotRepeatItselfAtAServerThatWentBackInTime) {
  Begin();
  node->Report(Facts());
  loop.Advance(seconds(5));
  const auto snapshot = server.cluster().TakeSnapshot();
  auto report = Facts();
  for (int i = 0; i < 5; ++i) {
    report.mutable_facts()->set_allocatable_cpu_milli(3'000 + i);
    node->Report(report);
    loop.Advance(seconds(5));
  }
  server.Restore(snapshot);
  const int before = status_writes;

  report.mutable_facts()->set_allocatable_cpu_milli(2'000);
  node->Report(report);
  loop.Advance(seconds(60));

  EXPECT_LE(status_writes - before, 3);
  EXPECT_EQ(GetString(Object(), "/status/allocatable/cpu"), "2");
}

TEST_F(NodeControllerTest, LeavesOutLabelsThatANodeMayNotWrite) {
  (*declaration.mutable_labels())["node-restriction.kubernetes.io/x"] = "1";
  (*declaration.mutable_labels())["kubernetes.io/role"] = "agent";
  Begin();
  EXPECT_TRUE(node->registered());
  EXPECT_FALSE(Object().at("metadata").at("labels").contains("kubernetes.io/role"));
}

TEST_F(NodeControllerTest, NeverWritesTheUnchangedAgainAtRest) {
  Begin();
  node->Report(Facts());
  loop.Advance(seconds(5));
  int writes = 0;
  server.faults().before = [&](const kube::KubeCall& call) {
    if (call.body != nullptr && call.ref.resource == kube::kNodes) ++writes;
    return absl::OkStatus();
  };
  loop.Advance(minutes(4));
  EXPECT_EQ(writes, 0);
}

TEST_F(NodeControllerTest, WhatAWebhookTakesBackIsWrittenAgainWithPausesAndHoldsNothingUp) {
  server.faults().latency = [] { return std::chrono::milliseconds(10); };
  declaration.clear_labels();
  auto webhook = std::make_shared<Webhook>(server.ApiAs("system:node:gw"));
  Begin(webhook);
  (*declaration.mutable_labels())["site"] = "north";
  node->Declare(declaration);
  node->Report(Facts());
  loop.Advance(minutes(1));
  EXPECT_GE(webhook->patches, 5);
  EXPECT_LE(webhook->patches, 40);
  EXPECT_EQ(GetString(Object(), "/status/capacity/cpu"), "4");
  v1::NodeReport report = Facts();
  report.mutable_facts()->set_cpu_milli(8'000);
  node->Report(report);
  loop.Advance(seconds(10));
  EXPECT_EQ(GetString(Object(), "/status/capacity/cpu"), "8");
}

TEST_F(NodeControllerTest, WhatSomebodyTakesBackAtOnceIsWrittenAgainWithPauses) {
  server.faults().latency = [] { return std::chrono::milliseconds(10); };
  Begin();
  node->Report(Facts());
  loop.Advance(seconds(20));
  int labels = 0;
  const auto take = [this] {
    ASSERT_TRUE(server.cluster()
                    .Patch("admin", {kube::kNodes, "", "gw", ""}, kube::PatchType::kMerge,
                           Json::parse(R"({"metadata":{"labels":{"site":"south"}}})"))
                    .ok());
  };
  server.faults().after = [&](const kube::KubeCall& call, const absl::Status&) {
    if (call.ref.resource == kube::kNodes && call.verb == kube::Verb::kPatch) {
      ++labels;
      loop.RunAfter(seconds(1), take);
    }
    return absl::OkStatus();
  };
  take();
  loop.Advance(seconds(1));
  EXPECT_EQ(labels, 1) << "the first time at once";
  loop.Advance(minutes(2));
  EXPECT_LE(labels, 60) << "one a second would be 120";
  server.faults().after = nullptr;
  loop.Advance(minutes(1));
  EXPECT_EQ(Object().at("metadata").at("labels").at("site"), "north");
}

TEST_F(NodeControllerTest, AConditionThatIsReportedTwiceIsWrittenOnce) {
  server.faults().latency = [] { return std::chrono::milliseconds(10); };
  Begin();
  v1::NodeReport report = Facts();
  for (const bool ready : {true, false}) {
    auto* runtime = report.mutable_facts()->add_conditions();
    runtime->set_type("RuntimeReady");
    runtime->set_status(ready);
  }
  status_writes = 0;
  node->Report(report);
  loop.Advance(minutes(1));
  EXPECT_LE(status_writes, 2);
  EXPECT_EQ(kube::TextAt(Condition("slicelet.io/RuntimeReady"), {"status"}), "True");
}

}  // namespace
}  // namespace slicelet::shim
