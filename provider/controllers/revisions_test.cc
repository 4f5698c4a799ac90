#include "provider/controllers/revisions.h"

#include "provider/controllers/gateway_profile.h"
#include "provider/controllers/testing/controllers_fixture.h"

namespace slicelet::provider {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr char kRest[] = "edgexfoundry/device-rest:4.0.1";
constexpr char kVirtual[] = "edgexfoundry/device-virtual:4.0.1";
constexpr char kModbus[] = "edgexfoundry/device-modbus:4.0.1";

class RevisionsTest : public ControllersTest {
 protected:
  Json Gateway() { return Get(kube::kIotGateways, "north", "press"); }
  void Change(const Json& spec) { Patch(kube::kIotGateways, "north", "press", {{"spec", spec}}); }
  /// A gateway that is Ready.
  void Begin(const Json& update) {
    MakeSlice();
    Advance(seconds(10));
    MakeGateway({{"update", update}});
    Advance();
    ASSERT_EQ(Gateway()["status"]["phase"], "Ready") << Condition(Gateway());
  }
  /// The device services of its pods, the Ready ones with "!".
  std::string Runs() {
    std::string text;
    for (const Json& pod : Pods("north")) {
      text += (text.empty() ? "" : " ") + kube::TextAt(pod["spec"]["containers"][5], {"name"});
      if (Condition(pod).rfind("True", 0) == 0) text += "!";
    }
    return text;
  }
  /// Beside a gateway's Ready pod, whose uid is returned, one runs that does not get Ready.
  std::string BeginAHandOver() {
    Begin({{"strategy", "hand-over"}});
    std::string before = kube::UidOf(Pods("north").front());
    broken_images_ = {kRest};
    Change({{"deviceService", "rest"}});
    Advance();
    EXPECT_THAT(Pods("north"), SizeIs(2));
    return before;
  }
  std::string State() { return kube::TextAt(Gateway(), {"status", "update", "state"}); }
};

TEST_F(RevisionsTest, WithHandOverTheFormerPodRunsUntilTheNewOneIsReady) {
  Begin({{"strategy", "hand-over"}});
  EXPECT_EQ(Runs(), "device-virtual!");
  const Json before = Pods("north").front();
  broken_images_ = {kRest};
  Change({{"deviceService", "rest"}});
  Advance(minutes(30));
  EXPECT_THAT(Pods("north"), SizeIs(2));
  EXPECT_EQ(Get(kube::kPods, "north", kube::NameOf(before)), before) << "nothing happens to it";
  EXPECT_THAT(Condition(Gateway()), HasSubstr("False Progressing: until the next revision is Ready " +
                                              kube::NameOf(before) + " runs: "));
  EXPECT_EQ(Gateway()["status"]["ready"], "11/12");
  broken_images_.clear();
  Advance();
  EXPECT_EQ(Runs(), "device-rest!");
  EXPECT_EQ(Gateway()["status"]["phase"], "Ready");
  EXPECT_EQ(Steps(Gateway()),
            "Checks=Done Credentials=Done Settings=Done Devices=Done Pod=Done Services=Done HandOver=Done");
}

TEST_F(RevisionsTest, AHandOverThatIsOvertakenKeepsWhatIsReady) {
  const std::string before = BeginAHandOver();
  broken_images_ = {kRest, kModbus};
  Change({{"deviceService", "modbus"}});
  Advance();
  EXPECT_THAT(Runs(), testing::AnyOf("device-virtual! device-modbus", "device-modbus device-virtual!"));
  Change({{"deviceService", "virtual"}});
  Advance();
  ASSERT_THAT(Pods("north"), SizeIs(1));
  EXPECT_EQ(kube::UidOf(Pods("north").front()), before);
  EXPECT_EQ(Gateway()["status"]["phase"], "Ready");
}

TEST_F(RevisionsTest, AHandOverOutlivesAFormerPodsMomentOfWeakness) {
  const std::string before = BeginAHandOver();
  broken_images_ = {kRest, kVirtual};
  Advance();
  EXPECT_THAT(Runs(), testing::AnyOf("device-virtual device-rest", "device-rest device-virtual"));
  broken_images_ = {kRest};
  Advance();
  EXPECT_THAT(Runs(), testing::AnyOf("device-virtual! device-rest", "device-rest device-virtual!"));
  EXPECT_THAT(Pods("north"), testing::Contains(testing::ResultOf(kube::UidOf, before)));
}

TEST_F(RevisionsTest, AHandOverWaitsForAHostThatIsAway) {
  Begin({{"strategy", "hand-over"}});
  const std::string before = kube::NameOf(Pods("north").front());
  Change({{"deviceService", "rest"}});
  hosts_away_ = true;
  Advance(minutes(10));
  EXPECT_THAT(Pods("north"), SizeIs(2));
  EXPECT_FALSE(kube::BeingDeleted(Get(kube::kPods, "north", before)));
  hosts_away_ = false;
  Advance();
  EXPECT_EQ(Runs(), "device-rest!");
}

TEST_F(RevisionsTest, WhatOnlyOneRevisionCanHaveIsNotHandedOver) {
  Begin({{"strategy", "hand-over"}});
  const Json before = Pods("north").front();
  Change({{"deviceService", "modbus"}, {"serialDevice", "/dev/ttyUSB0"}});
  Advance();
  EXPECT_EQ(Condition(Gateway()),
            "False HandOverRefused: spec.update.strategy: two revisions can not run side by side, because "
            "/dev/ttyUSB0 of the host, which container device-modbus may write to, is for one of them: use "
            "stop-first, or do without it");
  ASSERT_THAT(Pods("north"), SizeIs(1));
  EXPECT_EQ(Pods("north").front(), before) << "nothing is changed";
  Change({{"update", {{"strategy", "stop-first"}}}});
  Advance();
  EXPECT_EQ(Runs(), "device-modbus!");
}

TEST(HandOver, IsRefusedForWhatAHostHasOnce) {
  const Json gateway = {{"spec", {{"update", {{"strategy", "hand-over"}}}}}};
  const auto says = [&](const char* pod) {
    const auto problem = HandOverProblem(gateway, Json::parse(pod));
    return problem ? problem->message : "";
  };
  EXPECT_THAT(says(R"({"spec":{"hostNetwork":true,"containers":[{"name":"a"}]}})"), HasSubstr("hostNetwork"));
  EXPECT_THAT(says(R"({"spec":{"containers":[{"name":"a","ports":[{"hostPort":1883}]}]}})"),
              HasSubstr("hostPort 1883 of container a"));
  EXPECT_THAT(
      says(R"({"metadata":{"annotations":{"slicelet.io/layered":"false"}},"spec":{"containers":[]}})"),
      HasSubstr("base deployment"));
  EXPECT_EQ(says(R"({"spec":{"containers":[{"name":"a","ports":[{"containerPort":1883}],
                    "volumeMounts":[{"name":"v","readOnly":true},{"name":"w"}]}],
                    "volumes":[{"name":"v","hostPath":{"path":"/etc"}},{"name":"w","emptyDir":{}}]}})"),
            "");
  EXPECT_EQ(says(R"({"spec":{"hostNetwork":"yes","containers":[{"name":"a","ports":7,"volumeMounts":[3]}],
                    "volumes":{"name":"v"}}})"),
            "");
}

TEST_F(RevisionsTest, WhatIsNotReadyInTimeGivesWayToWhatWasReadyLast) {
  Begin({{"rollbackAfter", "10m"}});
  EXPECT_EQ(State(), "Ready");
  EXPECT_THAT(Condition(Gateway(), "Updated"), HasSubstr("True Updated: "));
  broken_images_ = {kRest};
  Change({{"deviceService", "rest"}});
  Advance(minutes(9));
  EXPECT_EQ(Runs(), "device-rest");
  EXPECT_EQ(State(), "Trying");
  EXPECT_THAT(Condition(Gateway(), "Updated"), HasSubstr("is to be Ready within 10m (unready: device-rest)"));
  Advance(minutes(2));
  EXPECT_EQ(Runs(), "device-virtual!");
  EXPECT_EQ(State(), "RolledBack");
  EXPECT_EQ(Gateway()["status"]["phase"], "Degraded");
  EXPECT_THAT(
      Condition(Gateway()),
      HasSubstr("False RolledBack: what the spec asks for was not Ready within 10m (unready: device-rest)"));
  EXPECT_THAT(Condition(Gateway(), "Updated"), HasSubstr("False RolledBack: "));
  EXPECT_EQ(Steps(Gateway()),
            "Checks=Done Credentials=Done Settings=Done Devices=Done Pod=Done Services=Done Revision=Done");

  // It is not tried again by itself, nor by another life of the program.
  broken_images_.clear();
  const auto version = server_.cluster().version();
  Advance(minutes(30));
  Crash();
  Advance(minutes(30));
  EXPECT_EQ(server_.cluster().version(), version);
  // Any change of the spec has it tried.
  Change({{"update", {{"rollbackAfter", "5m"}}}});
  Advance();
  EXPECT_EQ(Runs(), "device-rest!");
  EXPECT_EQ(State(), "Ready");
  EXPECT_EQ(Gateway()["status"]["phase"], "Ready");
  // What has been Ready once is not rolled back.
  broken_images_ = {kRest};
  Delete(kube::kPods, "north", kube::NameOf(Pods("north").front()));
  Advance(minutes(30));
  EXPECT_EQ(Runs(), "device-rest");
}

TEST_F(RevisionsTest, AClockThatIsSetBackBeginsTheTimeOfATrialAnew) {
  Begin({{"rollbackAfter", "10m"}});
  broken_images_ = {kRest};
  Change({{"deviceService", "rest"}});
  Advance(minutes(5));
  EXPECT_EQ(State(), "Trying");
  clock_.Jump(-std::chrono::hours(48));
  Advance(minutes(17));
  EXPECT_EQ(State(), "RolledBack");
}

TEST_F(RevisionsTest, ARevisionThatFailsAgainIsRolledBackAgain) {
  Begin({{"rollbackAfter", "10m"}});
  broken_images_ = {kRest};
  for (const char* after : {"2m", "3m"}) {
    Change({{"deviceService", "rest"}, {"update", {{"rollbackAfter", after}}}});
    Advance(seconds(90));
    EXPECT_EQ(Runs(), "device-rest") << after;
    Advance(minutes(3));
    EXPECT_EQ(Runs(), "device-virtual!") << after;
    EXPECT_EQ(State(), "RolledBack");
  }
}

TEST_F(RevisionsTest, AChangedImageIsChangedBackInPlace) {
  Begin({{"rollbackAfter", "5m"}});
  const Json before = Pods("north").front();
  broken_images_ = {"own/core-data:2"};
  hosts_away_ = true;
  Change({{"images", {{"core-data", "own/core-data:2"}}}});
  Advance(seconds(10));
  EXPECT_THAT(Condition(Gateway()), HasSubstr("container core-data does not run own/core-data:2 yet"));
  Json conditions = Pods("north").front()["status"]["conditions"];
  conditions.push_back(
      {{"type", "slicelet.io/ImagesCurrent"},
       {"status", "False"},
       {"reason", "ImagePullBackOff"},
       {"message", "core-data runs core-data:1 until own/core-data:2 is there: no such host"}});
  Patch(kube::kPods, "north", kube::NameOf(before), {{"status", {{"conditions", conditions}}}}, "status");
  Advance(seconds(10));
  EXPECT_THAT(Condition(Gateway()), HasSubstr("until own/core-data:2 is there: no such host"));
  hosts_away_ = false;
  Advance();
  EXPECT_EQ(Pods("north").front()["spec"]["containers"][3]["image"], "own/core-data:2");
  EXPECT_EQ(State(), "Trying");
  EXPECT_NE(Gateway()["status"]["phase"], "Ready") << "it does not run yet";
  Advance(minutes(6));
  ASSERT_THAT(Pods("north"), SizeIs(1));
  EXPECT_EQ(kube::UidOf(Pods("north").front()), kube::UidOf(before)) << "its database stays";
  EXPECT_EQ(Pods("north").front()["spec"], before["spec"]);
  EXPECT_EQ(State(), "RolledBack");
  EXPECT_THAT(Condition(Gateway()), HasSubstr("(unready: core-data)"));
  broken_images_.clear();
  Change({{"images", {{"core-data", "own/core-data:3"}}}});
  Advance();
  EXPECT_EQ(State(), "Ready");
  EXPECT_EQ(Pods("north").front()["spec"]["containers"][3]["image"], "own/core-data:3");
}

TEST_F(RevisionsTest, WithBothTheFormerPodNeverStops) {
  Begin({{"strategy", "hand-over"}, {"rollbackAfter", "5m"}});
  const Json before = Pods("north").front();
  broken_images_ = {kRest};
  Change({{"deviceService", "rest"}});
  Advance(minutes(10));
  EXPECT_EQ(State(), "RolledBack");
  ASSERT_THAT(Pods("north"), SizeIs(1));
  EXPECT_EQ(Pods("north").front(), before);
}

TEST_F(RevisionsTest, TheTimeBeginsOnceTheFormerPodHasEnded) {
  Begin({{"rollbackAfter", "5m"}});
  hosts_away_ = true;
  Change({{"deviceService", "rest"}});
  Advance(minutes(20));
  EXPECT_EQ(State(), "Waiting");
  EXPECT_THAT(Condition(Gateway(), "Updated"), HasSubstr("False Waiting: "));
  hosts_away_ = false;
  Advance();
  EXPECT_EQ(Runs(), "device-rest!");
  EXPECT_EQ(State(), "Ready");
}

TEST_F(RevisionsTest, APodThatIsRefusedTimeAndAgainIsRolledBack) {
  Begin({{"rollbackAfter", "12m"}});
  server_.faults().before = [](const kube::KubeCall& call) -> absl::Status {
    const bool pod =
        call.user == "provider" && call.verb == kube::Verb::kCreate && call.ref.resource == kube::kPods;
    if (pod && call.body->dump().find(kRest) != std::string::npos) {
      return absl::PermissionDeniedError("exceeded quota");
    }
    return absl::OkStatus();
  };
  Change({{"deviceService", "rest"}});
  Advance(minutes(5));
  EXPECT_THAT(Pods("north"), IsEmpty());
  EXPECT_THAT(Condition(Gateway()), HasSubstr("False PodFailed: exceeded quota"));
  Advance(minutes(15));
  EXPECT_EQ(Runs(), "device-virtual!");
  EXPECT_EQ(State(), "RolledBack");
}

TEST_F(RevisionsTest, TheFirstRevisionHasNothingToComeBackTo) {
  MakeSlice();
  Advance();
  broken_images_ = {"edgexfoundry/device-virtual:4.0.1"};
  MakeGateway({{"update", {{"rollbackAfter", "5m"}}}});
  Advance(minutes(10));
  EXPECT_EQ(Runs(), "device-virtual");
  EXPECT_THAT(Condition(Gateway(), "Updated"), HasSubstr("False NoFormerRevision: "));
  broken_images_.clear();
  Advance();
  EXPECT_EQ(State(), "Ready");
  // What is not to be rolled back needs no record.
  Change({{"update", nullptr}});
  Advance();
  EXPECT_EQ(Get(kube::kConfigMaps, "north", "press-revision"), Json());
  EXPECT_FALSE(Gateway()["status"].contains("update"));
  EXPECT_EQ(Condition(Gateway(), "Updated"), "none");
}

TEST_F(RevisionsTest, ARecordThatSomebodyElseSpoiltIsNone) {
  Begin({{"rollbackAfter", "5m"}});
  Patch(kube::kConfigMaps, "north", "press-revision", {{"data", {{"pod", "{"}}}});
  Advance();
  EXPECT_EQ(Gateway()["status"]["phase"], "Ready");
  EXPECT_THAT(kube::TextAt(Get(kube::kConfigMaps, "north", "press-revision"), {"data", "pod"}),
              HasSubstr("device-virtual"))
      << "it is made anew while what runs is Ready";
}

TEST_F(RevisionsTest, InAHandOverOneExporterSendsAtATime) {
  MakeSlice();
  Advance(seconds(10));
  MakeLogin();
  MakeExternalServer("iot");
  MakeGateway({{"attachTo", "iot"}, {"update", {{"strategy", "hand-over"}}}});
  Advance();
  const std::string sends = ExporterImage(Gateway(), true);
  const auto senders = [&] {
    int count = 0;
    for (const Json& pod : Pods("north")) {
      if (pod["spec"]["containers"].dump().find("\"" + sends + "\"") != std::string::npos) ++count;
    }
    return count;
  };
  ASSERT_EQ(senders(), 1) << Condition(Gateway(), "Attached");
  Change({{"deviceService", "rest"}});
  int most = 0;
  std::size_t pods = 0;
  for (int second = 0; second < 60; ++second) {
    AdvanceASecond();
    most = std::max(most, senders());
    pods = std::max(pods, Pods("north").size());
  }
  EXPECT_EQ(pods, 2U);
  EXPECT_EQ(most, 1);
  EXPECT_EQ(senders(), 1);
  EXPECT_EQ(Runs(), "device-rest!");
  EXPECT_EQ(Gateway()["status"]["attachment"]["state"], "Attached");
  // A gateway that is detached meanwhile does not wait for its next revision.
  broken_images_ = {kModbus};
  Change({{"deviceService", "modbus"}});
  Advance();
  Change({{"attachTo", nullptr}});
  Advance();
  EXPECT_EQ(senders(), 0);
  EXPECT_THAT(iot_.things(), IsEmpty());
  EXPECT_THAT(Pods("north"), SizeIs(2));
}

/// A gateway's revisions, one of which fails, with a crash of the controllers after some write.
class RevisionsCrashTest : public RevisionsTest {
 protected:
  int LiveThroughACrash(const char* strategy, int at, bool lost) {
    broken_images_ = {kModbus};
    CrashAfter(at, lost);
    MakeSlice();
    Live(seconds(20));
    MakeGateway({{"update", {{"strategy", strategy}, {"rollbackAfter", "1m"}}}});
    Live(seconds(30));
    EXPECT_EQ(State(), "Ready");
    Change({{"deviceService", "rest"}});
    Live(seconds(30));
    EXPECT_EQ(Runs(), "device-rest!");
    EXPECT_EQ(State(), "Ready");
    Change({{"deviceService", "modbus"}});
    Live(seconds(100));
    EXPECT_EQ(Runs(), "device-rest!");
    EXPECT_EQ(State(), "RolledBack");
    Delete(kube::kIotGateways, "north", "press");
    Delete(kube::kIotSlices, "slicelet", "north");
    Live(minutes(1));
    EXPECT_EQ(Gateway(), Json());
    EXPECT_THAT(Pods("north"), IsEmpty());
    EXPECT_THAT(server_.cluster().All(kube::kConfigMaps), IsEmpty());
    EXPECT_THAT(server_.cluster().All(kube::kIotSlices), IsEmpty());
    server_.faults().after = nullptr;
    return writes_;
  }
  void LiveThroughAll(const char* strategy) {
    const int writes = LiveThroughACrash(strategy, 0, false);
    EXPECT_GT(writes, 25);
    SCOPED_TRACE(strategy);
    CrashAfterEachWrite(writes + 1, [&](int at, bool lost) { LiveThroughACrash(strategy, at, lost); });
  }
};

TEST_F(RevisionsCrashTest, AfterEveryWriteOfAHandOverItGoesOn) { LiveThroughAll("hand-over"); }

TEST_F(RevisionsCrashTest, AfterEveryWriteOfAReplacementItGoesOn) { LiveThroughAll("stop-first"); }

}  // namespace
}  // namespace slicelet::provider
