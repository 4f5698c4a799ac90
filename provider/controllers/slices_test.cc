#include "provider/controllers/slices.h"

#include "provider/controllers/testing/controllers_fixture.h"

namespace slicelet::provider {
namespace {

using testing::HasSubstr;

using SlicesTest = ControllersTest;

TEST_F(SlicesTest, ASliceHasANamespaceAQuotaAndNodes) {
  MakeSlice("north", {{"quota", {{"pods", 20}, {"cpu", "1.5"}, {"gateways", 2}}}});
  Advance();
  const Json slice = Get(kube::kIotSlices, "slicelet", "north");
  EXPECT_EQ(slice["status"]["phase"], "Ready");
  EXPECT_EQ(Steps(slice), "Checks=Done Namespace=Done Quota=Done Nodes=Done");
  EXPECT_EQ(Condition(slice), "True Ready: 2 nodes in namespace north");
  EXPECT_EQ(slice["metadata"]["finalizers"], Json::array({kFinalizer}));
  EXPECT_EQ(kube::TextAt(Get(kube::kNamespaces, "", "north"), {"metadata", "labels", kSliceLabel}), "north");
  EXPECT_EQ(Get(kube::kResourceQuotas, "north", "slicelet-slice")["spec"]["hard"],
            Json::parse(R"({"pods":"20","requests.cpu":"1.5","count/iotgateways.slicelet.io":"2"})"));
  Patch(kube::kIotSlices, "slicelet", "north", {{"spec", {{"quota", {{"cpu", nullptr}, {"pods", 5}}}}}});
  Advance();
  EXPECT_EQ(Get(kube::kResourceQuotas, "north", "slicelet-slice")["spec"]["hard"],
            Json::parse(R"({"pods":"5","count/iotgateways.slicelet.io":"2"})"));
  Patch(kube::kIotSlices, "slicelet", "north", {{"spec", {{"quota", nullptr}}}});
  Advance();
  EXPECT_EQ(Get(kube::kResourceQuotas, "north", "slicelet-slice"), Json());
  Delete(kube::kIotSlices, "slicelet", "north");
  Advance();
  EXPECT_EQ(Get(kube::kIotSlices, "slicelet", "north"), Json());
  EXPECT_EQ(Get(kube::kNamespaces, "", "north"), Json());
}

TEST_F(SlicesTest, NodesBelongToTheSliceThatNamesThem) {
  MakeSlice("all");
  Advance();
  MakeSlice("one", {{"edge", {{"nodes", {"gw-2"}}}}});
  Advance();
  EXPECT_EQ(slices_, (std::map<std::string, std::string>{{"gw-1", "all"}, {"gw-2", "one"}}));
  EXPECT_EQ(Get(kube::kIotSlices, "slicelet", "all")["status"]["nodes"], 1);
  MakeSlice("late", {{"edge", {{"nodes", {"gw-2", "gw-9"}}}}});
  Advance();
  const Json late = Get(kube::kIotSlices, "slicelet", "late");
  EXPECT_EQ(Condition(late),
            "False Progressing: hub plant-7 has no node gw-9; belongs to another slice: gw-2 (one)");
  EXPECT_EQ(late["status"]["phase"], "Pending");
}

TEST_F(SlicesTest, ASliceTakesNoNamespaceThatIsNotItsOwn) {
  MakeSlice("first", {{"namespace", "shared"}});
  Advance();
  MakeSlice("second", {{"namespace", "shared"}});
  MakeSlice("third", {{"namespace", "kube-public"}});
  MakeSlice("fourth", {{"edge", {{"cluster", "far"}}}});
  Advance();
  EXPECT_THAT(Condition(Get(kube::kIotSlices, "slicelet", "second")), HasSubstr("False NamespaceTaken: "));
  EXPECT_EQ(Steps(Get(kube::kIotSlices, "slicelet", "third")),
            "Checks=Done Namespace=Failed Quota=Pending Nodes=Pending");
  EXPECT_THAT(Condition(Get(kube::kIotSlices, "slicelet", "third")), HasSubstr("already exists"));
  EXPECT_EQ(Condition(Get(kube::kIotSlices, "slicelet", "fourth")),
            "False ClusterNotFound: spec.edge.cluster: there is no IotCluster far in namespace slicelet: "
            "register it, or name another");
  // Each goes without taking what belongs to others.
  for (const char* name : {"second", "third", "fourth"}) Delete(kube::kIotSlices, "slicelet", name);
  Advance();
  for (const char* name : {"second", "third", "fourth"}) {
    EXPECT_EQ(Get(kube::kIotSlices, "slicelet", name), Json()) << name;
  }
  EXPECT_NE(Get(kube::kNamespaces, "", "shared"), Json());
  EXPECT_NE(Get(kube::kNamespaces, "", "kube-public"), Json());
}

TEST_F(SlicesTest, ASliceInUseStays) {
  MakeSlice();
  Advance();
  MakeGateway();
  Advance();
  Delete(kube::kIotSlices, "slicelet", "north");
  Advance();
  const Json slice = Get(kube::kIotSlices, "slicelet", "north");
  EXPECT_EQ(
      Condition(slice),
      "False InUse: namespace north still has 1 IotGateways, 0 IotServers and 0 IotDevices: delete them "
      "first");
  EXPECT_NE(Get(kube::kNamespaces, "", "north"), Json());
  Delete(kube::kIotGateways, "north", "press");
  Advance();
  EXPECT_EQ(Get(kube::kIotSlices, "slicelet", "north"), Json());
  EXPECT_EQ(Get(kube::kNamespaces, "", "north"), Json());
}

}  // namespace
}  // namespace slicelet::provider
