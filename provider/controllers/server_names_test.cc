#include "provider/controllers/server_names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "provider/controllers/testing/controllers_fixture.h"

namespace slicelet::provider {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;

constexpr char kIot[] = "192.0.2.1=iot,iot.north,iot.north.svc,iot.north.svc.cluster.local";
constexpr char kCloud[] = "10.0.0.8=cloud,cloud.north,cloud.north.svc,cloud.north.svc.cluster.local";

class ServerNamesTest : public ControllersTest {
 protected:
  void MakeExternal(const std::string& name, const std::string& url) {
    MakeServer({{"profile", "external"}, {"url", url}, {"target", nullptr}}, name);
  }
  Json GatewayPod() {
    for (const Json& pod : Pods("north")) {
      if (kube::TextAt(pod, {"metadata", "labels", kGatewayLabel}) == "press") return pod;
    }
    return Json();
  }
  std::string Names() {
    return kube::TextAt(GatewayPod(), {"metadata", "annotations", kHostAliasesAnnotation});
  }
  Json Gateway() { return Get(kube::kIotGateways, "north", "press"); }
};

TEST_F(ServerNamesTest, AGatewaysHostsFileFollowsTheServersOfItsSlice) {
  MakeSlice();
  Advance();
  MakeGateway({{"update", {{"rollbackAfter", "10m"}}}});
  Advance();
  const std::string uid = kube::UidOf(GatewayPod());
  const Json update = Gateway()["status"]["update"];
  EXPECT_EQ(update["state"], "Ready");
  EXPECT_FALSE(GatewayPod()["metadata"]["annotations"].contains(kHostAliasesAnnotation));
  MakeServer();
  Advance();
  EXPECT_EQ(Names(), kIot);
  MakeExternal("cloud", "https://10.0.0.8:8443/api");
  MakeExternal("named", "https://iot.example.com");
  Advance();
  EXPECT_EQ(Names(), std::string(kCloud) + "; " + kIot) << "one that has a name needs no other";
  Patch(kube::kIotServers, "north", "cloud", {{"spec", {{"url", "http://10.0.0.9"}}}});
  Advance();
  EXPECT_THAT(Names(), HasSubstr("10.0.0.9=cloud,"));
  EXPECT_THAT(Names(), Not(HasSubstr("10.0.0.8")));
  Delete(kube::kIotServers, "north", "cloud");
  Delete(kube::kIotServers, "north", "iot");
  Advance();
  EXPECT_FALSE(GatewayPod()["metadata"]["annotations"].contains(kHostAliasesAnnotation));
  EXPECT_EQ(kube::UidOf(GatewayPod()), uid) << "the pod runs on";
  EXPECT_EQ(Gateway()["status"]["phase"], "Ready");
  EXPECT_EQ(Gateway()["status"]["update"], update) << "nothing else was asked for";
}

TEST_F(ServerNamesTest, AServerIsNamedAsLongAsThereIsOne) {
  MakeSlice();
  MakeServer();
  Advance();
  MakeGateway();
  Advance();
  ASSERT_EQ(Names(), kIot);
  Patch(kube::kIotServers, "north", "iot", {{"spec", {{"suspended", true}}}});
  Advance();
  EXPECT_EQ(Names(), kIot) << "it will be there again";
  Patch(kube::kIotServers, "north", "iot", {{"spec", {{"suspended", false}}}});
  Advance();
  hosts_away_ = true;
  Delete(kube::kIotServers, "north", "iot");
  Advance();
  EXPECT_EQ(Names(), kIot) << "it runs until its host is back";
  hosts_away_ = false;
  Advance();
  EXPECT_EQ(Names(), "");
}

TEST_F(ServerNamesTest, ItsImagesAndItsNamesChangeAtOnce) {
  MakeSlice();
  Advance();
  MakeGateway();
  Advance();
  const std::string uid = kube::UidOf(GatewayPod());
  MakeExternal("cloud", "http://10.0.0.8");
  Patch(kube::kIotGateways, "north", "press", {{"spec", {{"images", {{"core-data", "own/data:1"}}}}}});
  Advance();
  EXPECT_EQ(Names(), kCloud);
  EXPECT_EQ(GatewayPod()["spec"]["containers"][3]["image"], "own/data:1");
  EXPECT_EQ(kube::UidOf(GatewayPod()), uid);
}

TEST_F(ServerNamesTest, NamesOfATemplateStayBeforeThem) {
  MakeSlice();
  Advance();
  MakeExternal("cloud", "http://10.0.0.8");
  MakeGateway({{"profile", "custom"},
               {"template",
                {{"metadata", {{"annotations", {{kHostAliasesAnnotation, "10.0.0.1=printer;"}}}}},
                 {"spec", {{"containers", Json::array({Json({{"name", "a"}, {"image", "b:1"}})})}}}}}});
  Advance();
  EXPECT_EQ(Names(), std::string("10.0.0.1=printer; ") + kCloud);
  EXPECT_THAT(Pods("north"), SizeIs(1));
}

class NameServersTest : public testing::Test {
 protected:
  void Add(const std::string& name, const std::string& mqtt) {
    world_.Put(kube::kIotServers, {{"metadata", {{"name", name}, {"namespace", "north"}, {"uid", name}}},
                                   {"status", {{"mqtt", mqtt}}}});
  }
  std::string Named(Json pod) {
    NameServers(world_, "north", pod);
    return kube::TextAt(pod, {"metadata", "annotations", kHostAliasesAnnotation});
  }
  World world_;
};

TEST_F(NameServersTest, WhatThePodNamesItselfStaysItsOwn) {
  Add("localhost", "tcp://10.0.0.8:1883");
  EXPECT_EQ(Named(Json::object()),
            "10.0.0.8=localhost.north,localhost.north.svc,localhost.north.svc.cluster.local");
  world_ = World();
  Add("iot", "tcp://10.0.0.8:1883");
  const std::string rest = "10.0.0.8=iot.north,iot.north.svc,iot.north.svc.cluster.local";
  EXPECT_EQ(Named(Json::parse(R"({"spec":{"hostname":"iot"}})")), rest);
  EXPECT_EQ(Named(Json::parse(R"({"spec":{"hostAliases":[{"ip":"10.0.0.1","hostnames":["a","iot"]}]}})")),
            rest);
  EXPECT_EQ(Named({{"metadata", {{"annotations", {{kHostAliasesAnnotation, " 10.0.0.1 = a , iot ; "}}}}}}),
            " 10.0.0.1 = a , iot; " + rest);
  EXPECT_EQ(
      Named(Json::parse(
          R"({"spec":{"hostAliases":[{"hostnames":["iot","iot.north","iot.north.svc","iot.north.svc.cluster.local"]}]}})")),
      "");
}

TEST_F(NameServersTest, WhatIsMisshapenInATemplateIsForTheTranslationToRefuse) {
  Add("iot", "tcp://10.0.0.8:1883");
  for (const char* pod :
       {R"({"spec":{"hostAliases":7}})", R"({"spec":{"hostAliases":[3,{"hostnames":"x"}]}})",
        R"({"spec":{"hostAliases":[{"hostnames":[1]}]},"metadata":{"annotations":{}}})"}) {
    EXPECT_THAT(Named(Json::parse(pod)), testing::StartsWith("10.0.0.8=iot,")) << pod;
  }
}

TEST_F(NameServersTest, WhatIsNoAddressIsNotInAHostsFile) {
  Add("a", "");
  Add("b", "ssl://iot.example.com:8883");
  Add("c", "tcp://300.0.0.1:1883");
  EXPECT_EQ(Named(Json::object()), "");
}

TEST_F(NameServersTest, TheFirstOfVeryMany) {
  for (int i = 1'000; i < 1'000 + 2 * kMostNamedServers; ++i)
    Add("iot-" + std::to_string(i), "tcp://10.0.0.8:1883");
  const std::string names = Named(Json::object());
  EXPECT_EQ(std::ranges::count(names, '='), kMostNamedServers);
  EXPECT_THAT(names, HasSubstr("=iot-1127,"));
  EXPECT_THAT(names, Not(HasSubstr("iot-1128")));
}

}  // namespace
}  // namespace slicelet::provider
