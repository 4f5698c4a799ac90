#include "provider/controllers/slice_parts.h"

#include "common/base/encoding.h"
#include "provider/controllers/slice_quota.h"
#include "provider/controllers/testing/controllers_fixture.h"

namespace slicelet::provider {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using testing::HasSubstr;

/// The hub's own cluster "core", and another one, "plant", with an API server of its own.
class SlicePartsTest : public ControllersTest {
 protected:
  SlicePartsTest() {
    clusters_.Put("plant-config", "u-plant");
    clusters_.Serve("plant-config", plant_);
    Create(kube::kIotClusters, "slicelet", "core", {{"role", "cloud"}});
    CreateWith(kube::kSecrets, "slicelet", "plant-access",
               {{"data", {{"kubeconfig", Base64Encode("plant-config")}}}});
    Create(kube::kIotClusters, "slicelet", "plant", {{"role", "edge"}, {"kubeconfigSecret", "plant-access"}});
    Advance(minutes(2));
  }
  void TearDown() override {
    // Their client of plant goes before plant does.
    engine_.reset();
    loop_.RunReady();
  }

  [[nodiscard]] Json Slice() { return Get(kube::kIotSlices, "slicelet", "north"); }
  /// In plant; null when there is none.
  [[nodiscard]] Json There(const kube::Resource& kind, const std::string& ns, const std::string& name) {
    const kube::StoredObject found = plant_.cluster().Peek(kind, ns, name);
    return found == nullptr ? Json() : *found;
  }
  [[nodiscard]] Json Namespace() { return There(kube::kNamespaces, "", "north"); }
  void PlantIsAway() {
    plant_.SetDown(true);
    clusters_.Fail("plant-config", absl::UnavailableError("no answer"));
    Advance(minutes(8));
    ASSERT_EQ(kube::TextAt(Get(kube::kIotClusters, "slicelet", "plant"), {"status", "phase"}), "Degraded");
  }
  void PlantIsBack() {
    plant_.SetDown(false);
    clusters_.Put("plant-config", "u-plant");
    Advance(minutes(8));
  }

  kube::MemoryApiServer plant_{loop_, clock_, random_};
};

TEST_F(SlicePartsTest, ASliceHasItsNamespaceAndQuotaInEachOfItsClusters) {
  MakeSlice("north", {{"cloud", {{"cluster", "plant"}}}, {"quota", {{"pods", 20}, {"memory", "1.5Gi"}}}});
  Advance();
  EXPECT_EQ(Slice()["status"]["phase"], "Ready") << Condition(Slice());
  EXPECT_EQ(Steps(Slice()),
            "Checks=Done Namespace=Done Quota=Done Nodes=Done CloudNamespace=Done CloudQuota=Done");
  EXPECT_EQ(Slice()["status"]["clusters"], Json::array({"plant"}));
  EXPECT_EQ(Namespace()["metadata"]["labels"][kSliceLabel], "north");
  EXPECT_EQ(There(kube::kResourceQuotas, "north", kQuotaName)["spec"]["hard"]["pods"], "20");
  Patch(kube::kIotSlices, "slicelet", "north", {{"spec", {{"quota", {{"pods", 5}}}}}});
  Advance();
  EXPECT_EQ(There(kube::kResourceQuotas, "north", kQuotaName)["spec"]["hard"]["pods"], "5");
  // What somebody takes away there comes back.
  ASSERT_TRUE(plant_.cluster().Delete("test", {kube::kResourceQuotas, "north", kQuotaName, ""}, {}).ok());
  Advance();
  EXPECT_EQ(There(kube::kResourceQuotas, "north", kQuotaName)["spec"]["hard"]["pods"], "5");
  Patch(kube::kIotSlices, "slicelet", "north", {{"spec", {{"quota", nullptr}}}});
  Advance();
  EXPECT_EQ(There(kube::kResourceQuotas, "north", kQuotaName), Json());
  const auto version = plant_.cluster().version();
  Advance(minutes(30));
  Crash();
  Advance(minutes(30));
  EXPECT_EQ(plant_.cluster().version(), version) << "nothing is written while nothing changes";

  Delete(kube::kIotSlices, "slicelet", "north");
  Advance();
  EXPECT_EQ(Slice(), Json());
  EXPECT_EQ(Namespace(), Json());
  EXPECT_EQ(Get(kube::kNamespaces, "", "north"), Json());
}

TEST_F(SlicePartsTest, AClusterThatDoesNotAnswerHoldsUpNobodyElse) {
  // Since then it is known what is there.
  MakeSlice("first", {{"cloud", {{"cluster", "plant"}}}});
  Advance();
  plant_.faults().latency = [] { return seconds(100); };
  for (int i = 0; i < 20; ++i)
    MakeSlice("s" + std::to_string(i), {{"cloud", {{"cluster", "plant"}}}, {"quota", {{"pods", 20}}}});
  Advance(seconds(20));
  MakeSlice("north", {{"quota", {{"pods", 20}}}});
  Advance(seconds(5));
  EXPECT_EQ(Slice()["status"]["phase"], "Ready") << Condition(Slice());
  EXPECT_EQ(There(kube::kNamespaces, "", "s0"), Json());
  plant_.faults().latency = nullptr;
  Advance(minutes(10));
  for (int i = 0; i < 20; ++i) {
    const Json slice = Get(kube::kIotSlices, "slicelet", "s" + std::to_string(i));
    EXPECT_EQ(slice["status"]["phase"], "Ready") << i << ": " << Condition(slice);
  }
}

TEST_F(SlicePartsTest, AnEdgeElsewhereHasNoNodesOfThisHub) {
  MakeSlice("north", {{"edge", {{"cluster", "plant"}}}});
  Advance();
  EXPECT_EQ(Condition(Slice()), "True Ready: 0 nodes in namespace north");
  EXPECT_EQ(Slice()["status"]["nodes"], 0);
  EXPECT_NE(Namespace(), Json());
  EXPECT_TRUE(slices_.empty());
  MakeSlice("south", {{"edge", {{"cluster", "plant"}, {"nodes", {"gw-1"}}}}});
  Advance();
  EXPECT_THAT(Condition(Get(kube::kIotSlices, "slicelet", "south")),
              HasSubstr("False NodesElsewhere: spec.edge.nodes: the nodes of hub plant-7 are in its own"));
  EXPECT_TRUE(slices_.empty());
}

TEST_F(SlicePartsTest, WhatASliceDoesNotNameAnyMoreIsRemoved) {
  MakeSlice("north", {{"cloud", {{"cluster", "plant"}}}});
  Advance();
  PlantIsAway();
  Patch(kube::kIotSlices, "slicelet", "north", {{"spec", {{"cloud", {{"cluster", nullptr}}}}}});
  Advance(minutes(5));
  EXPECT_EQ(Slice()["status"]["clusters"], Json::array({"plant"}));
  EXPECT_NE(Slice()["status"]["phase"], "Ready");
  // The cluster stays meanwhile.
  Delete(kube::kIotClusters, "slicelet", "plant");
  Advance();
  EXPECT_THAT(Condition(Get(kube::kIotClusters, "slicelet", "plant")), HasSubstr("False InUse: "));
  PlantIsBack();
  EXPECT_EQ(Namespace(), Json());
  EXPECT_FALSE(Slice()["status"].contains("clusters"));
  EXPECT_EQ(Slice()["status"]["phase"], "Ready") << Condition(Slice());
  EXPECT_EQ(Get(kube::kIotClusters, "slicelet", "plant"), Json());
}

TEST_F(SlicePartsTest, ADeletedSliceWaitsForItsClusterOrIsGivenUp) {
  MakeSlice("north", {{"cloud", {{"cluster", "plant"}}}});
  Advance();
  PlantIsAway();
  Crash();
  Delete(kube::kIotSlices, "slicelet", "north");
  Advance(minutes(5));
  EXPECT_THAT(Condition(Slice()), HasSubstr("IotCluster plant has not been reached yet"));
  EXPECT_THAT(Condition(Slice()), HasSubstr("slicelet.io/give-up: \"true\""));
  EXPECT_NE(Get(kube::kNamespaces, "", "north"), Json()) << "undone in reverse";
  Patch(kube::kIotSlices, "slicelet", "north", {{"metadata", {{"annotations", {{kGiveUp, "true"}}}}}});
  Advance();
  EXPECT_EQ(Slice(), Json());
  EXPECT_EQ(Get(kube::kNamespaces, "", "north"), Json());
  EXPECT_NE(Namespace(), Json()) << "it is left behind";
}

TEST_F(SlicePartsTest, ASliceOfAClusterThatComesBackGoesOn) {
  plant_.SetDown(true);
  MakeSlice("north", {{"cloud", {{"cluster", "plant"}}}});
  Advance();
  EXPECT_NE(Slice()["status"]["phase"], "Ready");
  EXPECT_NE(Get(kube::kNamespaces, "", "north"), Json()) << "the hub's own cluster does not wait";
  PlantIsBack();
  EXPECT_EQ(Slice()["status"]["phase"], "Ready") << Condition(Slice());
}

TEST_F(SlicePartsTest, RightsThatAreMissingThereAreNamed) {
  plant_.faults().before = [](const kube::KubeCall& call) -> absl::Status {
    if (call.ref.resource != kube::kNamespaces) return absl::OkStatus();
    return absl::PermissionDeniedError("namespaces is forbidden: User \"hub\" cannot list it");
  };
  MakeSlice("north", {{"cloud", {{"cluster", "plant"}}}});
  Advance();
  EXPECT_EQ(
      Condition(Slice()),
      "False AccessDenied: IotCluster plant: namespaces is forbidden: User \"hub\" cannot list it: the user "
      "of its kubeconfig needs list, watch, create and delete of namespaces, and list, watch, create, patch "
      "and delete of resourcequotas");
  EXPECT_NE(Slice()["status"]["phase"], "Ready");
  plant_.faults().before = nullptr;
  Advance(minutes(2));
  EXPECT_EQ(Slice()["status"]["phase"], "Ready") << Condition(Slice());
}

TEST_F(SlicePartsTest, ASliceIsGivenUpWhereItMayNotBeReadAnyMore) {
  MakeSlice("north", {{"cloud", {{"cluster", "plant"}}}});
  Advance();
  plant_.faults().before = [](const kube::KubeCall&) { return absl::PermissionDeniedError("forbidden"); };
  Crash();
  Delete(kube::kIotSlices, "slicelet", "north");
  Advance(minutes(5));
  EXPECT_EQ(kube::TextAt(Get(kube::kIotClusters, "slicelet", "plant"), {"status", "phase"}), "Enabled");
  EXPECT_THAT(Condition(Slice()),
              HasSubstr("IotCluster plant: forbidden: the user of its kubeconfig needs "));
  EXPECT_THAT(Condition(Slice()), HasSubstr("slicelet.io/give-up: \"true\""));
  Patch(kube::kIotSlices, "slicelet", "north", {{"metadata", {{"annotations", {{kGiveUp, "true"}}}}}});
  Advance();
  EXPECT_EQ(Slice(), Json());
  EXPECT_NE(Namespace(), Json()) << "it is left behind";
}

TEST_F(SlicePartsTest, ANamespaceOfOthersIsNotTakenOver) {
  const Json labels = {{kHubLabel, "plant-7"}, {kSliceLabel, "north"}};
  ASSERT_TRUE(plant_.cluster()
                  .Create("test", {kube::kNamespaces, "", "north", ""}, {{"metadata", {{"labels", labels}}}})
                  .ok());
  MakeSlice("north", {{"cloud", {{"cluster", "plant"}}}});
  Advance();
  EXPECT_THAT(Condition(Slice()), HasSubstr("False CloudNamespaceFailed: "));
  EXPECT_EQ(Slice()["status"]["phase"], "Error");
  Delete(kube::kIotSlices, "slicelet", "north");
  Advance();
  EXPECT_EQ(Slice(), Json());
  EXPECT_NE(Namespace(), Json());
}

TEST_F(SlicePartsTest, AnotherClusterUnderTheSameNameIsLeftAlone) {
  MakeSlice("north", {{"cloud", {{"cluster", "plant"}}}});
  Advance();
  // The kubeconfig leads to a cluster that was not registered.
  clusters_.Put("plant-config", "u-stranger");
  Advance(minutes(3));
  ASSERT_TRUE(plant_.cluster().Delete("test", {kube::kNamespaces, "", "north", ""}, {}).ok());
  Advance(minutes(10));
  EXPECT_EQ(Namespace(), Json());
  EXPECT_THAT(Condition(Slice()), HasSubstr("False ClusterNotReached: "));
}

TEST_F(SlicePartsTest, AClusterThatIsNotRegisteredTakesNothing) {
  Create(kube::kIotClusters, "slicelet", "far", {{"role", "edge"}, {"kubeconfigSecret", "none"}});
  MakeSlice("north", {{"cloud", {{"cluster", "far"}}}});
  Advance();
  EXPECT_THAT(Condition(Slice()), HasSubstr("False ClusterNotReady: spec.cloud.cluster: IotCluster far"));
}

class SlicePartsCrashTest : public SlicePartsTest {
 protected:
  int LiveThroughACrash(int at, bool lost) {
    CrashAfter(at, lost);
    plant_.faults().after = server_.faults().after;
    MakeSlice("north", {{"cloud", {{"cluster", "plant"}}}, {"quota", {{"pods", 5}}}});
    Live(minutes(2));
    EXPECT_EQ(Slice()["status"]["phase"], "Ready") << Condition(Slice());
    EXPECT_NE(There(kube::kResourceQuotas, "north", kQuotaName), Json());
    Patch(kube::kIotSlices, "slicelet", "north", {{"spec", {{"cloud", {{"cluster", nullptr}}}}}});
    Live(minutes(2));
    EXPECT_EQ(Namespace(), Json());
    Patch(kube::kIotSlices, "slicelet", "north", {{"spec", {{"edge", {{"cluster", "plant"}}}}}});
    Live(minutes(2));
    EXPECT_NE(Namespace(), Json());
    Delete(kube::kIotSlices, "slicelet", "north");
    Live(minutes(2));
    EXPECT_EQ(Slice(), Json());
    EXPECT_EQ(Namespace(), Json());
    EXPECT_EQ(Get(kube::kNamespaces, "", "north"), Json());
    server_.faults().after = plant_.faults().after = nullptr;
    return writes_;
  }
};

TEST_F(SlicePartsCrashTest, AfterEveryWriteToEitherClusterItGoesOn) {
  const int writes = LiveThroughACrash(0, false);
  EXPECT_GT(writes, 20);
  CrashAfterEachWrite(writes + 1, [this](int at, bool lost) { LiveThroughACrash(at, lost); });
}

}  // namespace
}  // namespace slicelet::provider
