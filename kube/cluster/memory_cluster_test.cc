#include "kube/cluster/memory_cluster.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "common/base/testing/fake_clock.h"
#include "common/json/testing/mutations.h"
#include "common/loop/testing/sim_loop.h"
#include "kube/cluster/defaults.h"
#include "kube/object.h"

namespace slicelet::kube {
namespace {

Json PodJson(const std::string& name, const std::string& node) {
  Json pod =
      Json::parse(R"({"metadata":{"labels":{"app":"web"}},"spec":{"restartPolicy":"OnFailure","containers":[
    {"name":"c","image":"example.org/a:1"}]}})");
  pod["metadata"]["name"] = name;
  if (!node.empty()) pod["spec"]["nodeName"] = node;
  return pod;
}

class MemoryClusterTest : public testing::Test {
 protected:
  Json Pod(const std::string& name, const std::string& node = "gw") {
    auto created = cluster.Create("admin", {kPods, "shop", "", ""}, PodJson(name, node));
    EXPECT_TRUE(created.ok()) << created.status();
    return created.ok() ? *created : Json();
  }
  absl::StatusOr<Json> PatchStatus(const std::string& name, const Json& status, const User& user = "admin") {
    return cluster.Patch(user, {kPods, "shop", name, "status"}, PatchType::kStrategicMerge,
                         {{"status", status}});
  }

  SimLoop loop;
  FakeClock clock{loop};
  SeededRandom random{1};
  MemoryCluster cluster{clock, random};
};

TEST_F(MemoryClusterTest, DefaultsLeaveOtherTypesAlone) {
  for (const auto& [kind, sound] : {std::pair(kPods, FullPod()), {kServices, FullService()}}) {
    int count = 0;
    for (const Mutation& mutation : MutationsOf(sound)) {
      Json object = mutation.object;
      EXPECT_NO_THROW(ApplyDefaults(kind, object)) << mutation.what;
      EXPECT_NO_THROW(
          (void)cluster.Create("admin", {kind, "shop", "o" + std::to_string(count++), ""}, object))
          << mutation.what;
    }
  }
}

TEST_F(MemoryClusterTest, CreatesWithUidVersionAndDefaults) {
  const Json pod = Pod("a");
  EXPECT_EQ(UidOf(pod).size(), 36U);
  EXPECT_EQ(ResourceVersionOf(pod), std::to_string(cluster.version()));
  EXPECT_EQ(IntegerAt(pod, {"metadata", "generation"}, 0), 1);
  EXPECT_EQ(IntegerAt(pod, {"spec", "terminationGracePeriodSeconds"}, 0), 30);
  EXPECT_EQ(TextAt(pod, {"status", "phase"}), "Pending");
  EXPECT_EQ(TextAt(pod, {"status", "qosClass"}), "BestEffort");
  EXPECT_TRUE(
      absl::IsAlreadyExists(cluster.Create("admin", {kPods, "shop", "", ""}, PodJson("a", "gw")).status()));
}

TEST_F(MemoryClusterTest, StaleUpdateIsAborted) {
  const Json old = Pod("a");
  ASSERT_TRUE(PatchStatus("a", {{"phase", "Running"}}).ok());
  EXPECT_TRUE(absl::IsAborted(cluster.Update("admin", {kPods, "shop", "a", ""}, old).status()));
}

TEST_F(MemoryClusterTest, SpecChangeBumpsGenerationAndStatusChangeDoesNot) {
  Pod("a");
  const auto image = cluster.Patch(
      "admin", {kPods, "shop", "a", ""}, PatchType::kStrategicMerge,
      Json::parse(
          R"({"spec":{"containers":[{"name":"c","image":"example.org/a:2"}]},"status":{"phase":"Failed"}})"));
  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_EQ(IntegerAt(*image, {"metadata", "generation"}, 0), 2);
  EXPECT_EQ(TextAt(*image, {"status", "phase"}), "Pending");
  const auto status = PatchStatus("a", {{"phase", "Running"}});
  EXPECT_EQ(IntegerAt(*status, {"metadata", "generation"}, 0), 2);
}

TEST_F(MemoryClusterTest, OnlyImagesAndAFewFieldsOfAPodMayChange) {
  Pod("a");
  const auto changed = cluster.Patch("admin", {kPods, "shop", "a", ""}, PatchType::kMerge,
                                     {{"spec", {{"hostNetwork", true}}}});
  EXPECT_TRUE(absl::IsFailedPrecondition(changed.status()));
}

TEST_F(MemoryClusterTest, StatusPatchOfAnotherUidIsUnprocessable) {
  Pod("a");
  const auto patched = cluster.Patch("admin", {kPods, "shop", "a", "status"}, PatchType::kStrategicMerge,
                                     {{"metadata", {{"uid", "other"}}}, {"status", {{"phase", "Running"}}}});
  EXPECT_TRUE(absl::IsFailedPrecondition(patched.status())) << patched.status();
  const auto deleted = cluster.Delete("admin", {kPods, "shop", "a", ""}, {.uid = "other"});
  EXPECT_TRUE(absl::IsAborted(deleted)) << deleted;
  const auto older = cluster.Delete("admin", {kPods, "shop", "a", ""}, {.uid = "", .resource_version = "1"});
  EXPECT_TRUE(absl::IsAborted(older)) << older;
}

TEST_F(MemoryClusterTest, DeletionIsGracefulAndCanOnlyBeShortened) {
  Pod("a");
  const ObjectRef ref{kPods, "shop", "a", ""};
  ASSERT_TRUE(cluster.Delete("admin", ref, {}).ok());
  EXPECT_EQ(IntegerAt(*cluster.Get("admin", ref), {"metadata", "deletionGracePeriodSeconds"}, 0), 30);
  ASSERT_TRUE(cluster.Delete("admin", ref, {"", 60}).ok());
  EXPECT_EQ(IntegerAt(*cluster.Get("admin", ref), {"metadata", "deletionGracePeriodSeconds"}, 0), 30);
  ASSERT_TRUE(cluster.Delete("admin", ref, {"", 5}).ok());
  const auto marked = cluster.Get("admin", ref);
  EXPECT_EQ(IntegerAt(*marked, {"metadata", "deletionGracePeriodSeconds"}, 0), 5);
  EXPECT_EQ(TextAt(*marked, {"metadata", "deletionTimestamp"}), "2026-01-01T00:00:05Z");
  ASSERT_TRUE(cluster.Delete("admin", ref, {UidOf(*marked), 0}).ok());
  EXPECT_TRUE(absl::IsNotFound(cluster.Get("admin", ref).status()));
}

TEST_F(MemoryClusterTest, UnboundAndTerminalPodsVanishAtOnce) {
  Pod("unbound", "");
  Pod("done");
  ASSERT_TRUE(PatchStatus("done", {{"phase", "Succeeded"}}).ok());
  for (const char* name : {"unbound", "done"}) {
    ASSERT_TRUE(cluster.Delete("admin", {kPods, "shop", name, ""}, {}).ok());
    EXPECT_EQ(cluster.Peek(kPods, "shop", name), nullptr);
  }
}

TEST_F(MemoryClusterTest, FinalizersHoldAnObject) {
  Json pod = PodJson("a", "");
  pod["metadata"]["finalizers"] = {"example.org/hold"};
  ASSERT_TRUE(cluster.Create("admin", {kPods, "shop", "", ""}, pod).ok());
  const ObjectRef ref{kPods, "shop", "a", ""};
  ASSERT_TRUE(cluster.Delete("admin", ref, {}).ok());
  EXPECT_TRUE(BeingDeleted(*cluster.Get("admin", ref)));
  ASSERT_TRUE(cluster.Patch("admin", ref, PatchType::kMerge, {{"metadata", {{"finalizers", nullptr}}}}).ok());
  EXPECT_EQ(cluster.Peek(kPods, "shop", "a"), nullptr);
}

TEST_F(MemoryClusterTest, ConditionsMergeByType) {
  Pod("a");
  ASSERT_TRUE(
      PatchStatus("a", Json::parse(R"({"conditions":[{"type":"example.org/gate","status":"True"}]})")).ok());
  const auto merged = PatchStatus("a", Json::parse(R"({"conditions":[{"type":"Ready","status":"False"}]})"));
  ASSERT_TRUE(merged.ok());
  EXPECT_EQ(merged->at("status").at("conditions").size(), 2U);
  const auto removed = PatchStatus(
      "a",
      Json::parse(
          R"({"conditions":[{"$patch":"delete","type":"example.org/gate"},{"type":"Ready","status":"True"}]})"));
  EXPECT_EQ(removed->at("status").at("conditions"), Json::parse(R"([{"type":"Ready","status":"True"}])"));
}

TEST_F(MemoryClusterTest, ATerminatedContainerThatMayNotRestartStaysTerminated) {
  Pod("a");
  const auto state = [](const char* text) {
    return Json{{"containerStatuses", {{{"name", "c"}, {"state", Json::parse(text)}}}}};
  };
  ASSERT_TRUE(PatchStatus("a", state(R"({"terminated":{"exitCode":1}})")).ok());
  ASSERT_TRUE(PatchStatus("a", state(R"({"running":{"startedAt":"2026-01-01T00:00:00Z"}})")).ok());
  ASSERT_TRUE(PatchStatus("a", state(R"({"terminated":{"exitCode":0}})")).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(PatchStatus("a", state(R"({"running":{}})")).status()));
  EXPECT_TRUE(
      absl::IsInvalidArgument(PatchStatus("a", state(R"({"terminated":{"reason":"Error"}})")).status()));
}

TEST_F(MemoryClusterTest, AddressesAreCheckedAndMergedByIp) {
  Pod("a");
  ASSERT_TRUE(PatchStatus("a", Json::parse(R"({"podIP":"198.18.0.1","podIPs":[{"ip":"198.18.0.1"}]})")).ok());
  // Without $patch a second address is added to the first, as on a real server.
  EXPECT_TRUE(absl::IsFailedPrecondition(
      PatchStatus("a", Json::parse(R"({"podIPs":[{"ip":"198.18.0.2"}]})")).status()));
  EXPECT_TRUE(PatchStatus("a", Json::parse(R"({"podIPs":[{"$patch":"replace"},{"ip":"198.18.0.2"}]})")).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(
      PatchStatus("a", Json::parse(R"({"podIPs":[{"$patch":"replace"},{"ip":"x"}]})")).status()));
}

TEST_F(MemoryClusterTest, NodeSeesOnlyWhatIsItsOwn) {
  Json pod = PodJson("mine", "gw");
  pod["spec"]["containers"][0]["envFrom"] = Json::parse(R"([{"secretRef":{"name":"used"}}])");
  ASSERT_TRUE(cluster.Create("admin", {kPods, "shop", "", ""}, pod).ok());
  Pod("other", "elsewhere");
  for (const char* name : {"used", "unused"}) {
    ASSERT_TRUE(cluster.Create("admin", {kSecrets, "shop", name, ""}, Json::object()).ok());
  }
  const User node = "system:node:gw";
  EXPECT_TRUE(cluster.Get(node, {kPods, "shop", "mine", ""}).ok());
  EXPECT_TRUE(absl::IsPermissionDenied(cluster.Get(node, {kPods, "shop", "other", ""}).status()));
  EXPECT_TRUE(absl::IsPermissionDenied(cluster.Get(node, {kPods, "shop", "missing", ""}).status()));
  EXPECT_TRUE(cluster.Get(node, {kSecrets, "shop", "used", ""}).ok());
  EXPECT_TRUE(absl::IsPermissionDenied(cluster.Get(node, {kSecrets, "shop", "unused", ""}).status()));
  EXPECT_TRUE(absl::IsPermissionDenied(cluster.List(node, kPods, "", {}).status()));
  ListOptions own;
  own.field_selector = "spec.nodeName=gw";
  EXPECT_EQ(cluster.List(node, kPods, "", own)->items.size(), 1U);
  EXPECT_TRUE(PatchStatus("mine", {{"phase", "Running"}}, node).ok());
  EXPECT_TRUE(absl::IsPermissionDenied(PatchStatus("other", {{"phase", "Running"}}, node).status()));
}

TEST_F(MemoryClusterTest, NodeMayNotChangeItsTaintsNorForeignLabels) {
  const User node = "system:node:gw";
  const Json body =
      Json::parse(R"({"metadata":{"name":"gw"},"spec":{"taints":[{"key":"a","effect":"NoSchedule"}]}})");
  ASSERT_TRUE(cluster.Create(node, {kNodes, "", "gw", ""}, body).ok());
  const ObjectRef ref{kNodes, "", "gw", ""};
  EXPECT_TRUE(absl::IsPermissionDenied(
      cluster.Patch(node, ref, PatchType::kMerge, {{"spec", {{"taints", nullptr}}}}).status()));
  EXPECT_TRUE(cluster.Patch("admin", ref, PatchType::kMerge, {{"spec", {{"taints", nullptr}}}}).ok());
  const auto label = [](const char* key) { return Json{{"metadata", {{"labels", {{key, "x"}}}}}}; };
  EXPECT_TRUE(absl::IsPermissionDenied(
      cluster.Patch(node, ref, PatchType::kMerge, label("kubernetes.io/role")).status()));
  EXPECT_TRUE(cluster.Patch(node, ref, PatchType::kMerge, label("kubernetes.io/os")).ok());
  EXPECT_TRUE(absl::IsPermissionDenied(cluster.Delete(node, ref, {})));
}

TEST_F(MemoryClusterTest, TokensAreBoundToAPodOfTheNode) {
  const Json pod = Pod("a");
  Json request =
      Json::parse(R"({"spec":{"expirationSeconds":3600,"boundObjectRef":{"kind":"Pod","name":"a"}}})");
  request["spec"]["boundObjectRef"]["uid"] = UidOf(pod);
  const ObjectRef ref{kServiceAccounts, "shop", "default", "token"};
  const auto token = cluster.Create("system:node:gw", ref, request);
  ASSERT_TRUE(token.ok()) << token.status();
  EXPECT_NE(TextAt(*token, {"status", "token"}), "");
  EXPECT_EQ(TextAt(*token, {"status", "expirationTimestamp"}), "2026-01-01T01:00:00Z");
  EXPECT_TRUE(absl::IsPermissionDenied(cluster.Create("system:node:other", ref, request).status()));
}

TEST_F(MemoryClusterTest, SelectorsTurnChangesIntoAddsAndDeletes) {
  ListOptions web;
  web.label_selector = "app=web";
  const auto selector = Selector::Parse(web);
  const auto from = cluster.version();
  Pod("a");
  const ObjectRef ref{kPods, "shop", "a", ""};
  ASSERT_TRUE(
      cluster.Patch("admin", ref, PatchType::kMerge, {{"metadata", {{"labels", {{"app", "db"}}}}}}).ok());
  ASSERT_TRUE(
      cluster.Patch("admin", ref, PatchType::kMerge, {{"metadata", {{"labels", {{"app", "web"}}}}}}).ok());
  const auto seen = cluster.ChangesSince(kPods, "", *selector, from);
  ASSERT_EQ(seen->size(), 3U);
  EXPECT_EQ((*seen)[0].type, WatchEventType::kAdded);
  EXPECT_EQ((*seen)[1].type, WatchEventType::kDeleted);
  EXPECT_EQ((*seen)[2].type, WatchEventType::kAdded);
}

TEST_F(MemoryClusterTest, CompactedVersionsAreOutOfRangeAndFutureOnesSilent) {
  const auto before = cluster.version();
  Pod("a");
  cluster.Compact();
  EXPECT_TRUE(absl::IsOutOfRange(cluster.ChangesSince(kPods, "", {}, before).status()));
  EXPECT_TRUE(cluster.ChangesSince(kPods, "", {}, cluster.version() + 1)->empty());
  EXPECT_TRUE(cluster.ChangesSince(kPods, "", {}, cluster.version()).ok());
}

TEST_F(MemoryClusterTest, RestoreGoesBackInTime) {
  Pod("a");
  const auto backup = cluster.TakeSnapshot();
  Pod("b");
  const auto newest = cluster.version();
  cluster.Restore(backup);
  EXPECT_LT(cluster.version(), newest);
  EXPECT_NE(cluster.Peek(kPods, "shop", "a"), nullptr);
  EXPECT_EQ(cluster.Peek(kPods, "shop", "b"), nullptr);
}

}  // namespace
}  // namespace slicelet::kube
