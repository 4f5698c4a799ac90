#include "provider/controllers/controllers.h"

#include "provider/controllers/testing/controllers_fixture.h"

namespace slicelet::provider {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

TEST_F(ControllersTest, ASliceHasANamespaceAQuotaAndNodes) {
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

TEST_F(ControllersTest, NodesBelongToTheSliceThatNamesThem) {
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

TEST_F(ControllersTest, ASliceTakesNoNamespaceThatIsNotItsOwn) {
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

TEST_F(ControllersTest, ASliceInUseStays) {
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

TEST_F(ControllersTest, AGatewayRunsItsProfileWithItsDevices) {
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

TEST_F(ControllersTest, ChangedImagesChangeInPlaceAndTheRestReplacesThePod) {
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

TEST_F(ControllersTest, ASuspendedGatewayHasNoPodAndComesBack) {
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

TEST_F(ControllersTest, WhatAGatewayRefersToIsChecked) {
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

TEST_F(ControllersTest, WhatBelongsToAnotherHubIsLeftAlone) {
  CreateWith(kube::kNamespaces, "", "theirs",
             {{"metadata", {{"labels", {{kHubLabel, "plant-8"}, {kSliceLabel, "north"}}}}}});
  MakeSlice("north", {{"namespace", "theirs"}});
  Create(kube::kIotGateways, "theirs", "press", {{"slice", "north"}, {"target", {{"host", "gw-1"}}}});
  Create(kube::kIotDevices, "theirs", "oven", {{"gateway", "press"}, {"protocol", "virtual"}});
  Advance();
  EXPECT_THAT(Condition(Get(kube::kIotSlices, "slicelet", "north")), HasSubstr("False NamespaceFailed: "));
  for (const Json& object :
       {Get(kube::kIotGateways, "theirs", "press"), Get(kube::kIotDevices, "theirs", "oven")}) {
    EXPECT_FALSE(object.contains("status")) << object;
    EXPECT_FALSE(object["metadata"].contains("finalizers")) << object;
  }
  EXPECT_THAT(Pods("theirs"), IsEmpty());
}

TEST_F(ControllersTest, AServerThatOthersRunIsAdopted) {
  MakeSlice();
  Advance();
  Create(kube::kIotServers, "north", "iot",
         {{"slice", "north"},
          {"profile", "external"},
          {"url", "https://iot.example.com:8443/api/"},
          {"credentialsSecret", "login"}});
  MakeServer(Json::object(), "own");
  Create(kube::kIotServers, "north", "lost",
         {{"slice", "south"},
          {"profile", "external"},
          {"url", "http://a"},
          {"endpoints", {{"mqtt", "ssl://b"}, {"auth", "http://a:8189/"}, {"access", "http://a:8989"}}}});
  Advance();
  const Json server = Get(kube::kIotServers, "north", "iot");
  EXPECT_EQ(Condition(server), "True Adopted: run by others at https://iot.example.com:8443/api/");
  EXPECT_EQ(server["status"]["mqtt"], "tcp://iot.example.com:1883");
  EXPECT_EQ(server["status"]["credentialsSecret"], "login");
  EXPECT_EQ(
      server["status"]["endpoints"],
      Json::parse(
          R"({"users":"https://iot.example.com:8443/api","things":"https://iot.example.com:8443/api","auth":"","access":"",
                            "mqtt":"tcp://iot.example.com:1883"})"));
  const Json lost = Get(kube::kIotServers, "north", "lost");
  EXPECT_THAT(Condition(lost), HasSubstr("False WrongNamespace: "));
  EXPECT_EQ(lost["status"]["mqtt"], "ssl://b:8883");
  EXPECT_EQ(lost["status"]["endpoints"],
            Json::parse(R"({"users":"http://a","things":"http://a","auth":"http://a:8189",
                                                         "access":"http://a:8989","mqtt":"ssl://b:8883"})"));
  EXPECT_EQ(Get(kube::kIotSlices, "slicelet", "north")["status"]["servers"], 2);
}

TEST_F(ControllersTest, AServerThatGatewaysNameStays) {
  MakeSlice();
  Advance();
  Create(kube::kIotServers, "north", "iot",
         {{"slice", "north"}, {"profile", "external"}, {"url", "http://iot"}});
  MakeGateway({{"attachTo", "iot"}});
  Advance();
  Delete(kube::kIotServers, "north", "iot");
  Advance();
  EXPECT_THAT(Condition(Get(kube::kIotServers, "north", "iot")),
              HasSubstr("False InUse: gateways are attached to it, or are to be: press: "));
  Patch(kube::kIotGateways, "north", "press", {{"spec", {{"attachTo", nullptr}}}});
  Advance();
  EXPECT_EQ(Get(kube::kIotServers, "north", "iot"), Json());
}

TEST_F(ControllersTest, DevicesSayWhyTheyAreNotRegistered) {
  MakeSlice();
  Advance();
  MakeDevice({{"gateway", "none"}}, "a");
  MakeDevice({{"protocol", "rest"}}, "b");
  MakeDevice(Json::object(), "c");
  refused_devices_["c"] = "400: no such thing";
  MakeGateway();
  Advance();
  const auto says = [&](const char* name) {
    return Condition(Get(kube::kIotDevices, "north", name), "Registered");
  };
  EXPECT_THAT(says("a"), HasSubstr("False GatewayNotFound: "));
  EXPECT_THAT(says("b"),
              HasSubstr("False ProtocolNotSpoken: spec.protocol: IotGateway press speaks virtual"));
  EXPECT_EQ(says("c"), "False ProfileRefused: 400: no such thing");
  EXPECT_EQ(Get(kube::kIotDevices, "north", "c")["status"]["phase"], "Error");
  EXPECT_FALSE(Get(kube::kConfigMaps, "north", "press-devices")["data"].contains("b.json"));
  refused_devices_.clear();
  Advance();
  EXPECT_EQ(Get(kube::kIotDevices, "north", "c")["status"]["phase"], "Registered");
}

TEST_F(ControllersTest, AGatewayWhoseHostIsGoneCanBeGivenUp) {
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

TEST_F(ControllersTest, AFailedPodIsReplacedAfterAWhile) {
  MakeSlice();
  Advance();
  MakeGateway();
  loop_.Advance(seconds(5));
  ASSERT_THAT(Pods("north"), SizeIs(1));
  const Json pod = Pods("north").front();
  broken_pods_.insert(kube::NameOf(pod));
  Patch(kube::kPods, "north", kube::NameOf(pod),
        {{"status",
          {{"phase", "Failed"}, {"reason", "HostPathDenied"}, {"message", "gw-1 allows no hostPath /dev"}}}},
        "status");
  Advance(minutes(2));
  const Json gateway = Get(kube::kIotGateways, "north", "press");
  EXPECT_EQ(gateway["status"]["phase"], "Error");
  EXPECT_EQ(Condition(gateway), "False Progressing: HostPathDenied: gw-1 allows no hostPath /dev");
  EXPECT_EQ(kube::UidOf(Pods("north").front()), kube::UidOf(pod));
  Advance(minutes(5));
  ASSERT_THAT(Pods("north"), SizeIs(1));
  EXPECT_NE(kube::UidOf(Pods("north").front()), kube::UidOf(pod));
}

TEST_F(ControllersTest, ConflictsAndRefusalsAreTriedAgainAndShown) {
  bool refuse = true;
  int conflicts = 0;
  server_.faults().before = [&](const kube::KubeCall& call) -> absl::Status {
    if (call.user != "provider") return absl::OkStatus();
    if (call.verb == kube::Verb::kPatch && ++conflicts % 2 == 1) return absl::AbortedError("modified");
    if (refuse && call.verb == kube::Verb::kCreate && call.ref.resource == kube::kConfigMaps) {
      return absl::PermissionDeniedError("exceeded quota");
    }
    return absl::OkStatus();
  };
  MakeSlice();
  Advance();
  MakeGateway();
  Advance();
  EXPECT_THAT(Condition(Get(kube::kIotGateways, "north", "press")),
              HasSubstr("False SettingsFailed: exceeded quota"));
  refuse = false;
  Advance(minutes(10));
  EXPECT_EQ(Get(kube::kIotGateways, "north", "press")["status"]["phase"], "Ready");
}

TEST_F(ControllersTest, NothingIsWrittenWhileNothingChanges) {
  MakeSlice("north", {{"quota", {{"memory", "1.5Gi"}}}});
  Advance();
  MakeGateway();
  MakeDevice();
  Advance();
  const auto version = server_.cluster().version();
  Advance(minutes(30));
  EXPECT_EQ(server_.cluster().version(), version);
  Crash();
  Advance(minutes(30));
  EXPECT_EQ(server_.cluster().version(), version) << "nor after a restart";
}

TEST_F(ControllersTest, AStatusThatSomebodyElseChangesIsNotFoughtOver) {
  int writes = 0;
  server_.faults().after = [&](const kube::KubeCall& call, const absl::Status& outcome) {
    if (call.user != "provider" || call.ref.subresource != "status") return outcome;
    ++writes;
    auto& cluster = server_.cluster();
    Json cut = *cluster.Peek(call.ref.resource, call.ref.ns, call.ref.name);
    if (cut["status"].erase("namespace") != 0) {
      (void)cluster.Update("test", {call.ref.resource, call.ref.ns, call.ref.name, "status"}, cut);
    }
    return outcome;
  };
  MakeSlice();
  Advance(minutes(10));
  EXPECT_LT(writes, 20);
}

TEST_F(ControllersTest, AnotherGatewayUnderTheSameNameHasAPasswordOfItsOwn) {
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

/// The whole life of a slice with a gateway and a device, with a crash of the controllers after some write.
class CrashTest : public ControllersTest {
 protected:
  /// Returns how many writes the controllers have made. `at`: they die after that one; 0 for never. `lost`:
  /// before the answer has come.
  int LiveThroughACrash(int at, bool lost) {
    CrashAfter(at, lost);
    MakeSlice("north", {{"quota", {{"pods", 20}}}});
    Live(seconds(30));
    MakeGateway();
    MakeDevice();
    Live(minutes(1));
    EXPECT_EQ(Get(kube::kIotGateways, "north", "press")["status"]["phase"], "Ready");
    EXPECT_EQ(Get(kube::kIotDevices, "north", "oven")["status"]["phase"], "Registered");
    EXPECT_EQ(Get(kube::kIotSlices, "slicelet", "north")["status"]["phase"], "Ready");
    EXPECT_THAT(Pods("north"), SizeIs(1));
    Patch(kube::kIotGateways, "north", "press", {{"spec", {{"deviceService", "rest"}}}});
    Live(minutes(1));
    EXPECT_THAT(Pods("north"), SizeIs(1));
    EXPECT_EQ(Pods("north").front()["spec"]["containers"][5]["name"], "device-rest");
    Delete(kube::kIotDevices, "north", "oven");
    Delete(kube::kIotGateways, "north", "press");
    Delete(kube::kIotSlices, "slicelet", "north");
    Live(minutes(2));
    EXPECT_THAT(server_.cluster().All(kube::kIotDevices), IsEmpty());
    EXPECT_THAT(server_.cluster().All(kube::kIotGateways), IsEmpty());
    EXPECT_THAT(server_.cluster().All(kube::kIotSlices), IsEmpty());
    EXPECT_THAT(Pods("north"), IsEmpty());
    EXPECT_THAT(server_.cluster().All(kube::kConfigMaps), IsEmpty());
    EXPECT_EQ(Get(kube::kNamespaces, "", "north"), Json());
    EXPECT_THAT(server_.cluster().All(kube::kSecrets), IsEmpty());
    server_.faults().after = nullptr;
    return writes_;
  }
};

TEST_F(CrashTest, AfterEveryWriteEverythingIsMadeAndUndoneAllTheSame) {
  const int writes = LiveThroughACrash(0, false);
  EXPECT_GT(writes, 25);
  for (int at = 1; at <= writes + 3; at += kCrashStride) {
    for (const bool lost : {false, true}) {
      SCOPED_TRACE("crash after write " + std::to_string(at) + (lost ? ", answer lost" : ""));
      LiveThroughACrash(at, lost);
      if (HasFailure()) return;
    }
  }
}

TEST_F(ControllersTest, WhatIsDeletedInTheMiddleIsUndone) {
  MakeSlice();
  Advance();
  // The gateway is deleted at every moment of its making.
  for (int moment = 0; moment < 12; ++moment) {
    SCOPED_TRACE(moment);
    int writes = 0;
    server_.faults().after = [&](const kube::KubeCall& call, const absl::Status& outcome) {
      const bool write = call.verb == kube::Verb::kCreate || call.verb == kube::Verb::kPatch;
      if (call.user == "provider" && write && writes++ == moment) {
        (void)server_.cluster().Delete("test", {kube::kIotGateways, "north", "press", ""}, {});
      }
      return outcome;
    };
    MakeGateway();
    Advance();
    server_.faults().after = nullptr;
    if (!Get(kube::kIotGateways, "north", "press").is_null()) {
      (void)server_.cluster().Delete("test", {kube::kIotGateways, "north", "press", ""}, {});
      Advance();
    }
    EXPECT_EQ(Get(kube::kIotGateways, "north", "press"), Json());
    EXPECT_THAT(Pods("north"), IsEmpty());
    EXPECT_THAT(server_.cluster().All(kube::kConfigMaps), IsEmpty());
    EXPECT_THAT(server_.cluster().All(kube::kSecrets), IsEmpty());
  }
}

}  // namespace
}  // namespace slicelet::provider
