#include "provider/controllers/controllers.h"

#include "provider/controllers/testing/controllers_fixture.h"

namespace slicelet::provider {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

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

TEST_F(ControllersTest, AnAnswerThatComesAfterTheWatchBringsNothingBack) {
  MakeSlice();
  Advance();
  MakeGateway();
  Advance();
  const Json answer = Get(kube::kIotGateways, "north", "press");
  Delete(kube::kIotGateways, "north", "press");
  Advance();
  engine_->Learn(kube::kIotGateways, answer);
  Advance();
  EXPECT_EQ(engine_->world().Find(kube::kIotGateways, "north", "press"), nullptr);
  Delete(kube::kIotSlices, "slicelet", "north");
  Advance();
  EXPECT_EQ(Get(kube::kIotSlices, "slicelet", "north"), Json());
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
  CrashAfterEachWrite(writes + 3, [this](int at, bool lost) { LiveThroughACrash(at, lost); });
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
