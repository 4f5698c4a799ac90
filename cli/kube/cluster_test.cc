#include "cli/kube/cluster.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "cli/kube/progress.h"
#include "cli/kube/testing/memory_cluster_test.h"
#include "kube/object.h"

namespace slicelet::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class ClusterTest : public MemoryClusterTest {
 protected:
  kube::ObjectRef Slice(const std::string& name) { return {kube::kIotSlices, "slicelet", name, ""}; }
  void Make(const std::string& name) { ASSERT_TRUE(cluster.Create(Slice(name), Json::object()).ok()); }
  /// After what is under way now.
  void Soon(std::function<void()> task) { loop.RunAfter(std::chrono::milliseconds(5), std::move(task)); }
  void WriteStatus(const std::string& name, const std::string& status) {
    MemoryClusterTest::WriteStatus(kube::kIotSlices, "slicelet", name, Json::parse(status));
  }
  Cluster::Awaited Ready(const std::string& name) {
    return {.ref = Slice(name),
            .what = "Ready",
            .condition = "Ready",
            .holds = [](const Json* now) { return now != nullptr && ConditionHolds(*now, "Ready"); },
            .timeout = std::chrono::seconds(60)};
  }
  absl::Status Wait(const Cluster::Awaited& awaited) {
    return cluster.Wait(awaited, [this](const std::string& line) { said.push_back(line); });
  }

  std::vector<std::string> said;
};

TEST_F(ClusterTest, AConflictIsTriedAgain) {
  Make("north");
  int conflicts = 3;
  server.faults().before = [&](const kube::KubeCall& call) -> absl::Status {
    if (call.body == nullptr || conflicts == 0) return absl::OkStatus();
    --conflicts;
    return absl::AbortedError("the object has been modified");
  };
  const auto patched = cluster.Patch(Slice("north"), {{"spec", {{"namespace", "a"}}}});
  ASSERT_TRUE(patched.ok()) << patched.status();
  EXPECT_EQ(conflicts, 0);
  conflicts = 1'000;
  EXPECT_TRUE(absl::IsAborted(cluster.Patch(Slice("north"), {{"spec", {{"namespace", "b"}}}}).status()));
  EXPECT_EQ(conflicts, 1'000 - Cluster::kAttempts);
}

TEST_F(ClusterTest, ErrorsNameTheClusterAndTheRemedy) {
  const auto answer = [&](const absl::Status& status) {
    server.faults().before = [status](const kube::KubeCall&) { return status; };
    return Message(cluster.Get(Slice("north")).status());
  };
  EXPECT_THAT(answer(absl::UnavailableError("Connection refused")),
              HasSubstr("cannot reach the cluster at https://here (kubeconfig /file): Connection refused"));
  EXPECT_THAT(answer(absl::UnauthenticatedError("Unauthorized")),
              HasSubstr("does not take the kubeconfig's credentials"));
  EXPECT_THAT(answer(absl::PermissionDeniedError("User x cannot get")), HasSubstr("kubectl auth can-i"));
  EXPECT_THAT(answer(absl::NotFoundError("the server could not find the requested resource")),
              HasSubstr("does not know the kind IotSlice: install"));
}

TEST_F(ClusterTest, AnEmptyNameNeverMeansAll) {
  Make("north");
  EXPECT_TRUE(absl::IsInvalidArgument(cluster.Delete(Slice(""), "")));
  EXPECT_TRUE(absl::IsInvalidArgument(cluster.Patch(Slice(""), {}).status()));
  EXPECT_TRUE(cluster.Get(Slice("north")).ok());
}

TEST_F(ClusterTest, AWaitTellsEveryStepOnce) {
  Make("north");
  Soon([&] {
    WriteStatus("north",
                R"({"steps":[{"name":"Namespace","state":"Running"},{"name":"Quota","state":"Pending"}],
      "conditions":[{"type":"Ready","status":"False","reason":"Progressing","message":"namespace north"}]})");
    Soon([&] {
      WriteStatus("north", R"({"steps":[{"name":"Namespace","state":"Done","message":"north"},
        {"name":"Quota","state":"Done"}],"phase":"Ready","conditions":[{"type":"Ready","status":"True","reason":"Ready"}]})");
    });
  });
  const absl::Status status = Wait(Ready("north"));
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_THAT(said, ElementsAre("  Namespace: Running", "  not Ready: Progressing: namespace north",
                                "  Namespace: Done, north", "  Quota: Done"));
}

TEST_F(ClusterTest, AConditionAboutAnOlderSpecIsNotWaitedFor) {
  Make("north");
  WriteStatus("north",
              R"({"conditions":[{"type":"Ready","status":"True","reason":"Ready","observedGeneration":0}]})");
  Soon([&] {
    WriteStatus(
        "north",
        R"({"conditions":[{"type":"Ready","status":"True","reason":"Ready","observedGeneration":9}]})");
  });
  bool seen_old = false;
  Cluster::Awaited awaited = Ready("north");
  awaited.holds = [&](const Json* now) {
    seen_old |= now != nullptr && !ConditionHolds(*now, "Ready");
    return now != nullptr && ConditionHolds(*now, "Ready");
  };
  EXPECT_TRUE(Wait(awaited).ok());
  EXPECT_TRUE(seen_old);
}

TEST_F(ClusterTest, AWaitEndsWithItsTimeAndSaysHowFarItCame) {
  Make("north");
  WriteStatus(
      "north",
      R"({"conditions":[{"type":"Ready","status":"False","reason":"NodeNotFound","message":"gw-9"}]})");
  Cluster::Awaited awaited = Ready("north");
  awaited.timeout = std::chrono::milliseconds(50);
  const absl::Status status = Wait(awaited);
  EXPECT_TRUE(absl::IsDeadlineExceeded(status));
  EXPECT_EQ(Message(status), "not Ready in time: NodeNotFound: gw-9");
}

TEST_F(ClusterTest, AWaitSeesADeletionAndIsNotFooledByASuccessor) {
  Make("north");
  const std::string uid = kube::UidOf(*cluster.Get(Slice("north")));
  Soon([&] {
    ASSERT_TRUE(server.cluster().Delete("admin", Slice("north"), {}).ok());
    ASSERT_TRUE(server.cluster().Create("admin", Slice("north"), Json::object()).ok());
    WriteStatus("north", R"({"conditions":[{"type":"Ready","status":"True","reason":"Ready"}]})");
  });
  Cluster::Awaited awaited = Ready("north");
  awaited.uid = uid;
  EXPECT_TRUE(absl::IsNotFound(Wait(awaited)));
  awaited.holds = [](const Json* now) { return now == nullptr; };
  EXPECT_TRUE(Wait(awaited).ok());
}

}  // namespace
}  // namespace slicelet::cli
