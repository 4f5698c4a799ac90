#include "provider/controllers/gateways.h"

#include <set>
#include <string>

#include "provider/controllers/testing/controllers_fixture.h"

namespace slicelet::provider {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class GatewaysTest : public ControllersTest {
 protected:
  /// Makes a gateway whose first pod ends with this status and stays so; returns that pod.
  Json GatewayWhosePodEnds(const Json& status) {
    MakeSlice();
    Advance();
    MakeGateway();
    loop_.Advance(seconds(5));
    EXPECT_THAT(Pods("north"), SizeIs(1));
    const Json pod = Pods("north").front();
    broken_pods_.insert(kube::NameOf(pod));
    Patch(kube::kPods, "north", kube::NameOf(pod), {{"status", status}}, "status");
    return pod;
  }
};

TEST_F(GatewaysTest, AGatewayRunsItsProfileWithItsDevices) {
  MakeSlice();
  Advance();
  MakeGateway();
  MakeDevice();
  Advance();
  const Json gateway = Get(kube::kIotGateways, "north", "press");
  EXPECT_EQ(gateway["status"]["phase"], "Ready");
  EXPECT_EQ(Steps(gateway), "Checks=Done Credentials=Done Settings=Done Devices=Done Pod=Done Services=Done");
  EXPECT_EQ(gateway["status"]["ready"], "6/6");
  EXPECT_EQ(gateway["status"]["target"], "gw-1");
  EXPECT_EQ(gateway["status"]["devices"], 1);
  ASSERT_THAT(Pods("north"), SizeIs(1));
  const Json pod = Pods("north").front();
  EXPECT_EQ(pod["spec"]["nodeName"], "gw-1");
  EXPECT_EQ(pod["metadata"]["ownerReferences"][0]["name"], "press");
  EXPECT_FALSE(kube::TextAt(Get(kube::kSecrets, "north", "press-database"), {"data", "password"}).empty());
  const Json entry =
      Json::parse(kube::TextAt(Get(kube::kConfigMaps, "north", "press-devices"), {"data", "oven.json"}));
  EXPECT_EQ(entry["device"]["autoEvents"],
            Json::parse(R"([{"interval":"5s","onChange":false,"sourceName":"temperature"}])"));
  const Json device = Get(kube::kIotDevices, "north", "oven");
  EXPECT_EQ(device["status"]["registered"], true);
  EXPECT_EQ(Condition(device, "Registered"), "True Registered: core-metadata has it");

  Delete(kube::kIotDevices, "north", "oven");
  Advance();
  EXPECT_EQ(Get(kube::kConfigMaps, "north", "press-devices").value("data", Json::object()), Json::object());
  EXPECT_EQ(Pods("north").front(), pod) << "a changed device leaves the pod alone";
}

TEST_F(GatewaysTest, ChangedImagesChangeInPlaceAndTheRestReplacesThePod) {
  MakeSlice();
  Advance();
  MakeGateway();
  Advance();
  const Json before = Pods("north").front();
  Patch(kube::kIotGateways, "north", "press", {{"spec", {{"images", {{"core-data", "own/core-data:2"}}}}}});
  Advance();
  ASSERT_THAT(Pods("north"), SizeIs(1));
  EXPECT_EQ(kube::UidOf(Pods("north").front()), kube::UidOf(before));
  EXPECT_EQ(Pods("north").front()["spec"]["containers"][3]["image"], "own/core-data:2");
  Patch(kube::kIotGateways, "north", "press", {{"spec", {{"deviceService", "rest"}}}});
  Advance();
  ASSERT_THAT(Pods("north"), SizeIs(1));
  EXPECT_NE(kube::UidOf(Pods("north").front()), kube::UidOf(before));
  EXPECT_EQ(Pods("north").front()["spec"]["containers"][5]["name"], "device-rest");
}

TEST_F(GatewaysTest, ASuspendedGatewayHasNoPodAndComesBack) {
  MakeSlice();
  Advance();
  MakeGateway();
  Advance();
  Patch(kube::kIotGateways, "north", "press", {{"spec", {{"suspended", true}}}});
  Advance();
  EXPECT_THAT(Pods("north"), IsEmpty());
  EXPECT_EQ(Get(kube::kIotGateways, "north", "press")["status"]["phase"], "Suspended");
  EXPECT_EQ(Condition(Get(kube::kIotGateways, "north", "press")), "False Suspended: spec.suspended is true");
  Patch(kube::kIotGateways, "north", "press", {{"spec", {{"suspended", false}}}});
  Advance();
  EXPECT_EQ(Get(kube::kIotGateways, "north", "press")["status"]["phase"], "Ready");
}

TEST_F(GatewaysTest, WhatAGatewayRefersToIsChecked) {
  MakeSlice("north", {{"edge", {{"nodes", {"gw-1"}}}}});
  MakeSlice("south", {{"edge", {{"nodes", {"gw-2"}}}}});
  Advance();
  MakeGateway({{"slice", "west"}}, "a");
  Create(kube::kIotGateways, "default", "b", {{"slice", "north"}, {"target", {{"host", "gw-1"}}}});
  MakeGateway({{"target", {{"host", "gw-9"}}}}, "c");
  MakeGateway({{"target", {{"host", "gw-2"}}}}, "d");
  MakeGateway({{"target", {{"host", nullptr}, {"node", "fleet"}}}}, "e");
  MakeGateway({{"attachTo", "iot"}}, "f");
  Advance();
  const auto ready = [&](const char* name) { return Condition(Get(kube::kIotGateways, "north", name)); };
  EXPECT_THAT(
      ready("a"),
      HasSubstr("False WrongNamespace: spec.slice: namespace north is that of IotSlice north, not of west"));
  EXPECT_THAT(Condition(Get(kube::kIotGateways, "default", "b")),
              HasSubstr("False NotInASlice: namespace default belongs to no IotSlice"));
  EXPECT_THAT(ready("c"), HasSubstr("False HostNotFound: spec.target.host: there is no EdgeHost gw-9"));
  EXPECT_THAT(ready("d"),
              HasSubstr("False NodeNotInSlice: spec.target.host: node gw-2 belongs to slice south"));
  EXPECT_THAT(ready("e"),
              HasSubstr("False NodeNotFound: spec.target.node: hub plant-7 has no slice node fleet"));
  EXPECT_THAT(Condition(Get(kube::kIotGateways, "north", "f"), "Attached"),
              HasSubstr("False ServerNotFound: spec.attachTo: there is no IotServer iot"));
  EXPECT_THAT(Pods("north"), SizeIs(1)) << "nothing is made for the others";
}

TEST_F(GatewaysTest, AGatewayWhoseHostIsGoneCanBeGivenUp) {
  MakeSlice();
  Advance();
  MakeGateway();
  Advance();
  hosts_away_ = true;
  Delete(kube::kIotGateways, "north", "press");
  Advance();
  EXPECT_EQ(Steps(Get(kube::kIotGateways, "north", "press")),
            "Credentials=Done Settings=Done Devices=Done Pod=Running");
  Patch(kube::kIotGateways, "north", "press", {{"metadata", {{"annotations", {{kGiveUp, "true"}}}}}});
  Advance();
  EXPECT_EQ(Get(kube::kIotGateways, "north", "press"), Json());
}

TEST_F(GatewaysTest, AFailedPodIsReplacedAfterAWhile) {
  const Json pod = GatewayWhosePodEnds(
      {{"phase", "Failed"}, {"reason", "HostPathDenied"}, {"message", "gw-1 allows no hostPath /dev"}});
  Advance(minutes(2));
  const Json gateway = Get(kube::kIotGateways, "north", "press");
  EXPECT_EQ(gateway["status"]["phase"], "Error");
  EXPECT_EQ(Condition(gateway), "False Progressing: HostPathDenied: gw-1 allows no hostPath /dev");
  EXPECT_EQ(kube::UidOf(Pods("north").front()), kube::UidOf(pod));
  Advance(minutes(5));
  ASSERT_THAT(Pods("north"), SizeIs(1));
  EXPECT_NE(kube::UidOf(Pods("north").front()), kube::UidOf(pod));
}

TEST_F(GatewaysTest, AFailedPodIsReplacedAlsoWhenTheClockIsSetBack) {
  const Json pod = GatewayWhosePodEnds({{"phase", "Succeeded"}});
  clock_.Jump(-std::chrono::hours(48));
  Advance(minutes(6));
  ASSERT_THAT(Pods("north"), SizeIs(1));
  EXPECT_NE(kube::UidOf(Pods("north").front()), kube::UidOf(pod));
}

TEST_F(GatewaysTest, AnotherGatewayUnderTheSameNameHasAPasswordOfItsOwn) {
  MakeSlice();
  Advance();
  std::set<std::string> passwords;
  for (int life = 0; life < 2; ++life) {
    MakeGateway();
    Advance();
    passwords.insert(kube::TextAt(Get(kube::kSecrets, "north", "press-database"), {"data", "password"}));
    Delete(kube::kIotGateways, "north", "press");
    if (life == 0) Advance();
  }
  EXPECT_THAT(passwords, SizeIs(2));
}

}  // namespace
}  // namespace slicelet::provider
