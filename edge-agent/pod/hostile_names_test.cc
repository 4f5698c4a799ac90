// Names and labels that would lead out of the agent's directories: whoever gave them to this host, none of
// them becomes a path.
#include <gtest/gtest.h>

#include "edge-agent/pod/container_config.h"
#include "edge-agent/pod/testing/pod_host.h"

namespace slicelet::agent {
namespace {

using std::chrono::seconds;

/// LOG_ROOT/../srv/x_pod-u1_u1: what would be removed as the logs of a pod of such a namespace.
constexpr char kNamespace[] = "../srv/x";
constexpr char kForeign[] = "/srv/x_pod-u1_u1/precious";

class HostileNamesTest : public ::testing::Test {
 protected:
  HostileNamesTest() {
    host_.files.Put(kForeign, {.data = "kept"});
    EXPECT_NE(host_.files.Find(kForeign), nullptr);
  }

  /// Made by nobody who looked at what it says.
  std::string MakeSandbox(const std::map<std::string, std::string>& labels) {
    SandboxConfig config;
    config.labels = labels;
    config.labels[kManagedLabel] = "true";
    std::string made;
    host_.runtime->RunSandbox(config, [&](const absl::StatusOr<std::string>& id) { made = id.value(); });
    EXPECT_TRUE(host_.RunUntil([&] { return !made.empty(); }));
    return made;
  }
  std::string MakeContainer(const std::string& sandbox, const std::string& uid, const std::string& name) {
    ContainerConfig config;
    config.name = name;
    config.image = ScriptedHost::ImageId("app");
    config.labels = {{kManagedLabel, "true"}, {kPodUidLabel, uid}, {kContainerNameLabel, name}};
    std::string made;
    host_.runtime->CreateContainer(sandbox, config, {},
                                   [&](const absl::StatusOr<std::string>& id) { made = id.value(); });
    EXPECT_TRUE(host_.RunUntil([&] { return !made.empty(); }));
    return made;
  }

  PodHost host_;
};

TEST_F(HostileNamesTest, AMalformedWorkloadIsRefusedAndCanBeRemoved) {
  v1::Workload pod = host_.Pod("u1");
  v1::Volume& volume = *pod.add_volumes();
  volume.set_name("../../../srv");
  volume.mutable_empty_dir();
  host_.Apply({pod});
  ASSERT_TRUE(host_.RunUntil([&] { return host_.HasStatus("u1") && host_.Status("u1").has_refused(); }));
  EXPECT_EQ(host_.Status("u1").refused().reason(), "MalformedWorkload");
  EXPECT_EQ(host_.Status("u1").refused().field(), "spec.volumes[0].name");
  host_.loop.Advance(seconds(60));
  EXPECT_TRUE(host_.runtime_host.sandboxes().empty());
  host_.Stop("u1", 30);
  EXPECT_TRUE(host_.RunUntil([&] { return host_.Status("u1").gone(); }));
  EXPECT_NE(host_.files.Find(kForeign), nullptr);
}

TEST_F(HostileNamesTest, AMalformedUpdateEndsWhatRan) {
  v1::Workload pod = host_.Pod("u1");
  host_.Apply({pod});
  ASSERT_TRUE(host_.RunUntil([&] { return host_.IsReady("u1"); }));
  pod.mutable_containers(0)->set_name("../main");
  host_.Apply({pod});
  EXPECT_TRUE(host_.RunUntil([&] { return host_.runtime_host.Running("u1").empty(); }));
  EXPECT_EQ(host_.Status("u1").refused().reason(), "MalformedWorkload");
}

TEST_F(HostileNamesTest, ANamespaceOfAManifestLeadsNowhere) {
  v1::Workload pod = host_.Pod("u1");
  pod.set_namespace_(kNamespace);
  host_.Apply({pod});
  ASSERT_TRUE(host_.RunUntil([&] { return host_.HasStatus("u1") && host_.Status("u1").has_refused(); }));
  host_.Stop("u1", 30);
  ASSERT_TRUE(host_.RunUntil([&] { return host_.Status("u1").gone(); }));
  EXPECT_NE(host_.files.Find(kForeign), nullptr);
}

TEST_F(HostileNamesTest, ANamespaceOfAStoredRecordLeadsNowhere) {
  host_.Kill();
  AgentStore::Batch batch;
  v1::PodRecord record;
  record.set_uid("u1");
  record.set_namespace_(kNamespace);
  record.set_name("pod-u1");
  batch.records[PodUid("u1")] = record;
  bool durable = false;
  host_.store.Commit(std::move(batch), [&](const absl::Status&) { durable = true; });
  ASSERT_TRUE(host_.RunUntil([&] { return durable; }));
  host_.store.Crash();
  host_.StartAgent();
  host_.Apply({});
  ASSERT_TRUE(host_.RunUntil([&] { return host_.store.records().empty(); }));
  EXPECT_NE(host_.files.Find(kForeign), nullptr);
}

TEST_F(HostileNamesTest, ANamespaceOfALabelLeadsNowhere) {
  MakeSandbox({{kPodUidLabel, "u1"}, {kPodNamespaceLabel, kNamespace}, {kPodNameLabel, "pod-u1"}});
  host_.Apply({});
  ASSERT_TRUE(host_.RunUntil([&] { return host_.runtime_host.sandboxes().empty(); }));
  host_.loop.Advance(seconds(10));
  EXPECT_NE(host_.files.Find(kForeign), nullptr);
}

TEST_F(HostileNamesTest, WhatHasNoUidInItsLabelIsLeftAlone) {
  host_.files.Put("/agent/precious", {.data = "kept"});
  MakeSandbox({{kPodUidLabel, ".."}});
  host_.Apply({host_.Pod("u1")});
  ASSERT_TRUE(host_.RunUntil([&] { return host_.IsReady("u1"); }));
  host_.loop.Advance(seconds(600));
  EXPECT_EQ(host_.runtime_host.sandboxes().size(), 2U);
  EXPECT_NE(host_.files.Find("/agent/precious"), nullptr);
}

TEST_F(HostileNamesTest, AContainersNameOfALabelIsNoContainerOfThePod) {
  const std::string sandbox = MakeSandbox({{kPodUidLabel, "u1"}, {kPodNameLabel, "pod-u1"}});
  MakeContainer(sandbox, "u1", "../../../srv");
  MakeContainer(sandbox, "u1", "side");
  host_.Apply({host_.Pod("u1")});
  ASSERT_TRUE(host_.RunUntil([&] { return host_.IsReady("u1"); }));
  EXPECT_FALSE(host_.agent->Locate(PodUid("u1"), "../../../srv").ok());
  EXPECT_TRUE(host_.agent->Locate(PodUid("u1"), "side").ok()) << "one with a name is adopted";
}

}  // namespace
}  // namespace slicelet::agent
