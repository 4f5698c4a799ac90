#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kubelet-shim/pod/testing/pod_sync_fixture.h"

namespace slicelet::shim {
namespace {

using std::chrono::seconds;
using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;
using testing::UnorderedElementsAre;

TEST_F(PodSyncTest, APodLivesAndDies) {
  EXPECT_THAT(Take(), ElementsAre("synced"));
  const auto uid = MakePod("web");
  EXPECT_THAT(Take(), ElementsAre("apply web"));
  EXPECT_EQ(last_apply_.environment(0).container(), "app");

  Report(Running(uid));
  EXPECT_EQ(Pod("web")["status"]["phase"], "Running");
  EXPECT_EQ(ConditionStatus(Pod("web"), "Ready"), "True");
  EXPECT_THAT(Take(), IsEmpty());

  Delete("web");
  EXPECT_THAT(Take(), ElementsAre("stop web 30"));
  Delete("web", 5);
  EXPECT_THAT(Take(), ElementsAre("stop web 5"));

  Gone(uid);
  EXPECT_TRUE(Pod("web").is_null());
  EXPECT_THAT(Take(), ElementsAre("forget web DELETED_EVENT"));
  EXPECT_THAT(pods_->workers(), IsEmpty());
}

TEST_F(PodSyncTest, TheFinalStatusIsWrittenBeforeTheObjectGoes) {
  const auto uid = MakePod("web");
  loop_.RunReady();
  Report(Running(uid));
  Delete("web");
  loop_.RunReady();
  std::vector<std::string> writes;
  server_.faults().before = [&](const kube::KubeCall& call) {
    if (call.user != "system:node:edge-1" || call.ref.resource.plural != "pods") return absl::OkStatus();
    if (call.body != nullptr) writes.push_back("patch " + (*call.body)["status"].value("phase", ""));
    if (call.verb == kube::Verb::kDelete) writes.push_back("delete");
    return absl::OkStatus();
  };
  Gone(uid);
  EXPECT_THAT(writes, ElementsAre("patch Failed", "delete"));
}

TEST_F(PodSyncTest, StatusIsWrittenOneAtATimeAndOnlyTheNewest) {
  const auto uid = MakePod("web");
  loop_.RunReady();
  server_.faults().latency = [] { return std::chrono::milliseconds(10); };
  int patches = 0;
  server_.faults().before = [&](const kube::KubeCall& call) {
    patches += call.ref.subresource == "status" ? 1 : 0;
    return absl::OkStatus();
  };
  auto status = Running(uid);
  for (int restarts = 0; restarts < 10; ++restarts) {
    status.mutable_containers(0)->set_restart_count(restarts);
    Report(status);
  }
  loop_.Advance(seconds(1));
  EXPECT_EQ(patches, 2);
  EXPECT_EQ(Pod("web")["status"]["containerStatuses"][0]["restartCount"], 9);
}

TEST_F(PodSyncTest, DriftIsRepaired) {
  const auto uid = MakePod("web");
  loop_.RunReady();
  Report(Running(uid));
  const Json patch = {{"status", {{"conditions", Json::array({{{"type", "Ready"}, {"status", "False"}}})}}}};
  ASSERT_TRUE(
      server_.cluster()
          .Patch(kAdmin, {kube::kPods, "default", "web", "status"}, kube::PatchType::kStrategicMerge, patch)
          .ok());
  loop_.RunReady();
  EXPECT_EQ(ConditionStatus(Pod("web"), "Ready"), "True");
}

TEST_F(PodSyncTest, AMissingConfigMapHoldsThePodUntilItAppears) {
  Take();
  MakePod("web", Json::parse(R"({"envFrom": [{"configMapRef": {"name": "settings"}}]})"));
  EXPECT_THAT(Take(), IsEmpty());
  const Json waiting = Pod("web")["status"]["containerStatuses"][0]["state"]["waiting"];
  EXPECT_EQ(waiting["reason"], "CreateContainerConfigError");
  EXPECT_EQ(waiting["message"], "configmap \"settings\" not found");
  EXPECT_THAT(EventReasons(), UnorderedElementsAre("MandatoryConfigMapNotFound", "Failed"));

  Make(kube::kConfigMaps,
       Json::parse(R"({"metadata": {"name": "settings", "namespace": "default"}, "data": {"A": "1"}})"));
  loop_.Advance(seconds(2));
  EXPECT_THAT(Take(), ElementsAre("referent configmap/settings", "apply web"));
  EXPECT_THAT(last_apply_.references(), ElementsAre("configmap/settings"));
}

class PodOfTwoTest : public PodSyncTest {
 protected:
  /// "app" needs nothing, "needy" needs ConfigMap settings; as init containers or as containers.
  std::string MakePodOfTwo(const char* list) {
    Json pod = {{"metadata", {{"name", "two"}, {"namespace", "default"}}},
                {"spec", {{"nodeName", "edge-1"}}}};
    pod["spec"]["containers"] = Json::array({{{"name", "main"}, {"image", "i"}}});
    pod["spec"][list] =
        Json::array({{{"name", "app"}, {"image", "i"}},
                     {{"name", "needy"},
                      {"image", "i"},
                      {"envFrom", Json::array({{{"configMapRef", {{"name", "settings"}}}}})}}});
    const std::string uid = kube::UidOf(Make(kube::kPods, pod));
    names_[uid] = "two";
    return uid;
  }
  void MakeSettings() {
    Make(kube::kConfigMaps,
         Json::parse(R"({"metadata": {"name": "settings", "namespace": "default"}, "data": {"A": "1"}})"));
  }
  [[nodiscard]] const v1::ContainerEnvironment* Needy() const {
    for (const auto& environment : last_apply_.environment()) {
      if (environment.container() == "needy") return &environment;
    }
    return nullptr;
  }
  bool HasA() {
    for (const auto& variable : Needy()->env()) {
      if (variable.name() == "A") return true;
    }
    return false;
  }
  static v1::WorkloadStatus RunningTwo(const std::string& uid) {
    v1::WorkloadStatus status = Running(uid);
    auto& needy = *status.add_containers();
    needy.set_name("needy");
    needy.set_container_id("containerd://2");
    needy.mutable_state()->mutable_running()->set_started_at(1'767'225'599'000'000'000);
    return status;
  }
};

TEST_F(PodOfTwoTest, OneContainersMissingConfigMapHoldsBackThatOneAlone) {
  Take();
  MakePodOfTwo("containers");
  EXPECT_THAT(Take(), ElementsAre("apply two"));
  ASSERT_NE(Needy(), nullptr);
  EXPECT_EQ(Needy()->config_error(), "configmap \"settings\" not found");
  EXPECT_EQ(Needy()->env_size(), 0);
  EXPECT_THAT(EventReasons(), UnorderedElementsAre("MandatoryConfigMapNotFound", "Failed"));

  MakeSettings();
  loop_.Advance(seconds(2));
  EXPECT_THAT(Take(), ElementsAre("referent configmap/settings", "apply two"));
  EXPECT_EQ(Needy()->config_error(), "");
  EXPECT_TRUE(HasA());
}

TEST_F(PodOfTwoTest, LaterInitContainersWaitAloneAndTheFirstHoldsThePod) {
  Take();
  MakePodOfTwo("initContainers");
  EXPECT_THAT(Take(), ElementsAre("apply two"));
  EXPECT_NE(Needy()->config_error(), "");

  Json pod = {{"metadata", {{"name", "first"}, {"namespace", "default"}}},
              {"spec", {{"nodeName", "edge-1"}}}};
  pod["spec"]["containers"] = Json::array({{{"name", "main"}, {"image", "i"}}});
  pod["spec"]["initContainers"] =
      Json::array({{{"name", "needy"},
                    {"image", "i"},
                    {"envFrom", Json::array({{{"configMapRef", {{"name", "settings"}}}}})}}});
  Make(kube::kPods, pod);
  EXPECT_THAT(Take(), IsEmpty());
  EXPECT_EQ(Pod("first")["status"]["initContainerStatuses"][0]["state"]["waiting"]["reason"],
            "CreateContainerConfigError");
}

TEST_F(PodOfTwoTest, AContainerThatHadItsEnvironmentKeepsIt) {
  MakeSettings();
  const auto uid = MakePodOfTwo("containers");
  Take();
  ASSERT_TRUE(HasA());
  Report(RunningTwo(uid));
  ASSERT_TRUE(server_.cluster().Delete(kAdmin, {kube::kConfigMaps, "default", "settings", ""}, {}).ok());
  loop_.Advance(seconds(70));
  // Even if something else makes the pod travel again.
  Take();
  ASSERT_TRUE(server_.cluster()
                  .Patch(kAdmin, {kube::kPods, "default", "two", ""}, kube::PatchType::kMerge,
                         {{"metadata", {{"labels", {{"x", "y"}}}}}})
                  .ok());
  EXPECT_THAT(Take(), ElementsAre("apply two"));
  EXPECT_EQ(Needy()->config_error(), "");
  EXPECT_TRUE(HasA());
}

TEST_F(PodOfTwoTest, ARestartedShimTakesNothingFromAContainerThatRuns) {
  MakeSettings();
  const auto uid = MakePodOfTwo("containers");
  Take();
  Report(RunningTwo(uid));
  ASSERT_TRUE(server_.cluster().Delete(kAdmin, {kube::kConfigMaps, "default", "settings", ""}, {}).ok());
  const Json before = Pod("two")["status"];
  Restart();
  EXPECT_THAT(Take(), ElementsAre("synced two"));
  loop_.Advance(seconds(10));
  // What it looks like is what its host says, not what it lacks.
  EXPECT_EQ(Pod("two")["status"], before);
  auto status = RunningTwo(uid);
  status.mutable_containers(0)->set_restart_count(3);
  Report(status);
  EXPECT_EQ(Pod("two")["status"]["phase"], "Running");
  EXPECT_EQ(Pod("two")["status"]["containerStatuses"][0]["restartCount"], 3);
  EXPECT_EQ(EventReasons().size(), 1U) << "only that the ConfigMap is missing";
  Delete("two");
  EXPECT_THAT(Take(), ElementsAre("stop two 30"));
}

TEST_F(PodSyncTest, AnImageThatIsThereAfterAllEndsItsCondition) {
  const auto uid = MakePod("web");
  loop_.RunReady();
  Report(Running(uid));
  EXPECT_EQ(ConditionStatus(Pod("web"), "slicelet.io/ImagesCurrent"), "") << "nothing to say";
  auto status = Running(uid);
  auto& images = *status.add_conditions();
  images.set_type("slicelet.io/ImagesCurrent");
  images.set_reason("ImagePullBackOff");
  Report(status);
  EXPECT_EQ(ConditionStatus(Pod("web"), "slicelet.io/ImagesCurrent"), "False");
  EXPECT_EQ(ConditionStatus(Pod("web"), "Ready"), "True");
  Report(Running(uid));
  EXPECT_EQ(ConditionStatus(Pod("web"), "slicelet.io/ImagesCurrent"), "True");
}

TEST_F(PodSyncTest, AStatusIsWrittenBeforeTheEventsThatCameWithIt) {
  const auto uid = MakePod("web");
  loop_.RunReady();
  std::vector<std::string> writes;
  server_.faults().before = [&](const kube::KubeCall& call) {
    if (call.verb == kube::Verb::kPatch || call.verb == kube::Verb::kCreate)
      writes.push_back(call.ref.resource.kind);
    return absl::OkStatus();
  };
  auto status = Running(uid);
  status.add_events()->set_reason("Started");
  Report(status);
  EXPECT_THAT(writes, testing::ElementsAre("Pod", "Event"));
  server_.faults().before = nullptr;
}

TEST_F(PodSyncTest, AReportWithoutAStatusShowsWhyNoHostTakesThePod) {
  const auto uid = MakePod("web");
  loop_.RunReady();
  v1::PodReport report;
  report.set_uid(uid);
  report.set_node("edge-1");
  auto& placed = *report.add_conditions();
  placed.set_type("slicelet.io/Placed");
  placed.set_reason("HostStoreFull");
  placed.set_message("host edge-1: no space left");
  pods_->OnReport(report);
  loop_.RunReady();
  EXPECT_EQ(ConditionStatus(Pod("web"), "slicelet.io/Placed"), "False");
  EXPECT_EQ(Pod("web")["status"]["phase"], "Pending");
  EXPECT_EQ(Pod("web")["status"]["containerStatuses"][0]["state"]["waiting"]["reason"], "ContainerCreating");

  Report(Running(uid));
  EXPECT_EQ(ConditionStatus(Pod("web"), "slicelet.io/Placed"), "True");
  EXPECT_EQ(Pod("web")["status"]["phase"], "Running");

  // One that runs does not fall back to Pending.
  pods_->OnReport(report);
  loop_.RunReady();
  EXPECT_EQ(Pod("web")["status"]["phase"], "Running");
}

TEST_F(PodSyncTest, AMissingVolumeIsAFailedMount) {
  MakePod("web", Json::object(),
          Json::parse(R"({"volumes": [{"name": "v", "secret": {"secretName": "s"}}]})"));
  loop_.RunReady();
  EXPECT_EQ(Pod("web")["status"]["containerStatuses"][0]["state"]["waiting"]["reason"], "ContainerCreating");
  EXPECT_THAT(EventReasons(), UnorderedElementsAre("MandatorySecretNotFound", "FailedMount"));
}

TEST_F(PodSyncTest, ABlockedPodThatIsDeletedGoesAtOnce) {
  MakePod("web", Json::parse(R"({"envFrom": [{"configMapRef": {"name": "settings"}}]})"));
  loop_.RunReady();
  Delete("web");
  loop_.RunReady();
  EXPECT_TRUE(Pod("web").is_null());
}

TEST_F(PodSyncTest, AChangedConfigMapTravelsAndTheVariablesFollow) {
  Make(kube::kConfigMaps,
       Json::parse(R"({"metadata": {"name": "c", "namespace": "default"}, "data": {"A": "1"}})"));
  MakePod("web", Json::parse(R"({"envFrom": [{"configMapRef": {"name": "c"}}]})"));
  Take();
  ASSERT_TRUE(server_.cluster()
                  .Patch(kAdmin, {kube::kConfigMaps, "default", "c", ""}, kube::PatchType::kMerge,
                         {{"data", {{"A", "2"}}}})
                  .ok());
  loop_.Advance(seconds(70));
  EXPECT_THAT(Take(), ElementsAre("referent configmap/c", "apply web"));

  // What vanishes later changes nothing for a pod that has it.
  ASSERT_TRUE(server_.cluster().Delete(kAdmin, {kube::kConfigMaps, "default", "c", ""}, {}).ok());
  loop_.Advance(seconds(70));
  EXPECT_THAT(Take(), IsEmpty());
}

TEST_F(PodSyncTest, TokensAreRenewedAndTheAutomaticOneIsWithheld) {
  const Json spec = Json::parse(R"({"serviceAccountName": "default", "volumes": [
    {"name": "kube-api-access-x", "projected": {"sources": [{"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}}]}},
    {"name": "mine", "projected": {"sources": [{"serviceAccountToken": {"path": "t", "audience": "a", "expirationSeconds": 1000}}]}}]})");
  Take();
  MakePod("web", Json::object(), spec);
  EXPECT_THAT(Take(), ElementsAre("apply web", "token mine/t"));
  EXPECT_THAT(EventReasons(), ElementsAre("ApiAccessWithheld"));
  loop_.Advance(seconds(799));
  EXPECT_THAT(Take(), testing::Each("synced web"));
  loop_.Advance(seconds(2));
  EXPECT_THAT(Take(), ElementsAre("token mine/t"));
}

TEST_F(PodSyncTest, ATokenWaitsUntilItsPodIsKnown) {
  Take();
  MakePod("web", Json::parse(R"({"envFrom": [{"configMapRef": {"name": "c"}}]})"),
          Json::parse(R"({"volumes": [
    {"name": "mine", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}]})"));
  EXPECT_THAT(Take(), IsEmpty());
  Make(kube::kConfigMaps,
       Json::parse(R"({"metadata": {"name": "c", "namespace": "default"}, "data": {"A": "1"}})"));
  loop_.Advance(seconds(2));
  EXPECT_THAT(Take(), ElementsAre("referent configmap/c", "apply web", "token mine/t"));
  pods_->OnSession();
  EXPECT_THAT(Take(), ElementsAre("apply web", "token mine/t", "synced web"));
}

TEST_F(PodSyncTest, RefusalsOfOneOwnerAreSpaced) {
  const Json owner = Json::parse(
      R"([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": "o-1", "controller": true}])");
  std::vector<std::string> uids;
  for (const char* name : {"r1", "r2"}) {
    Json pod = {
        {"metadata", {{"name", name}, {"namespace", "default"}, {"ownerReferences", owner}}},
        {"spec", {{"nodeName", "edge-1"}, {"containers", Json::array({{{"name", "app"}, {"image", "i"}}})}}}};
    uids.push_back(kube::UidOf(Make(kube::kPods, pod)));
  }
  loop_.RunReady();
  for (const auto& uid : uids) {
    v1::WorkloadStatus status;
    status.set_uid(uid);
    status.set_phase(v1::PHASE_FAILED);
    status.mutable_refused()->set_reason("HostPolicy");
    status.mutable_refused()->set_field("spec.hostPID");
    status.mutable_refused()->set_message("host gw-1 denies host namespaces");
    Report(status);
  }
  EXPECT_EQ(Pod("r1")["status"]["phase"], "Failed");
  EXPECT_EQ(Pod("r1")["status"]["reason"], "HostPolicy");
  EXPECT_EQ(Pod("r2")["status"]["phase"], "Pending");
  loop_.Advance(seconds(11));
  EXPECT_EQ(Pod("r2")["status"]["phase"], "Failed");
}

TEST_F(PodSyncTest, APodLargerThanAMessageIsRefusedClearly) {
  Json data = Json::object();
  for (int i = 0; i < 5; ++i) {
    data["K"] = std::string(1'000'000, 'x');
    Make(kube::kConfigMaps, {{"metadata", {{"name", "big" + std::to_string(i)}, {"namespace", "default"}}},
                             {"data", {{"K" + std::to_string(i), std::string(1'000'000, 'x')}}}});
  }
  Json from = Json::array();
  for (int i = 0; i < 5; ++i) from.push_back({{"configMapRef", {{"name", "big" + std::to_string(i)}}}});
  MakePod("web", {{"envFrom", from}});
  EXPECT_THAT(Take(), Not(Contains("apply web")));
  EXPECT_EQ(Pod("web")["status"]["phase"], "Failed");
  EXPECT_EQ(Pod("web")["status"]["reason"], "PodTooLarge");
}

TEST_F(PodSyncTest, AStatusForAnotherUidIsDropped) {
  const auto uid = MakePod("web");
  loop_.RunReady();
  // The pod is replaced before the shim hears of it.
  server_.faults().latency = [] { return std::chrono::milliseconds(50); };
  Delete("web", 0);
  names_.clear();
  MakePod("web");
  Report(Running(uid));
  loop_.Advance(seconds(5));
  EXPECT_NE(Pod("web")["status"]["phase"], "Running");
}

TEST_F(PodSyncTest, FailedWritesAreRetried) {
  const auto uid = MakePod("web");
  loop_.RunReady();
  int failures = 3;
  server_.faults().before = [&](const kube::KubeCall& call) {
    if (call.ref.subresource != "status" || failures == 0) return absl::OkStatus();
    --failures;
    return absl::UnavailableError("down");
  };
  Report(Running(uid));
  loop_.Advance(seconds(10));
  EXPECT_EQ(Pod("web")["status"]["phase"], "Running");
}

TEST_F(PodSyncTest, A404OfAProxyEndsNothing) {
  const auto uid = MakePod("web");
  Take();
  int failures = 0;
  server_.faults().before = [&](const kube::KubeCall& call) {
    if (call.user != "system:node:edge-1" || call.ref.resource != kube::kPods || failures == 0)
      return absl::OkStatus();
    --failures;
    return absl::NotFoundError("no such route");
  };
  failures = 3;
  Report(Running(uid));
  EXPECT_NE(Pod("web")["status"].value("phase", ""), "Running");
  loop_.Advance(seconds(10));
  EXPECT_EQ(Pod("web")["status"]["phase"], "Running");

  Delete("web");
  Take();
  failures = 3;
  Gone(uid);
  EXPECT_FALSE(Pod("web").is_null());
  loop_.Advance(seconds(10));
  EXPECT_TRUE(Pod("web").is_null());
}

TEST_F(PodSyncTest, APodThatIsGoneUnseenIsAskedForSeldom) {
  const auto uid = MakePod("web");
  Take();
  int writes = 0;
  bool blind = true;
  server_.faults().before = [&](const kube::KubeCall& call) {
    if (call.ref.resource != kube::kPods || call.user == kAdmin) return absl::OkStatus();
    if (call.verb == kube::Verb::kList || call.verb == kube::Verb::kWatch)
      return blind ? absl::UnavailableError("busy") : absl::OkStatus();
    ++writes;
    return absl::OkStatus();
  };
  server_.BreakWatches();
  loop_.RunReady();
  Delete("web", 0);
  Report(Running(uid));
  loop_.Advance(std::chrono::minutes(5));
  EXPECT_LE(writes, 90);
  blind = false;
  loop_.Advance(seconds(60));
  writes = 0;
  loop_.Advance(std::chrono::minutes(5));
  EXPECT_EQ(writes, 0);
}

TEST_F(PodSyncTest, TheConnectorsConfigMapsGoWithAFleetNodesPodByTheirNames) {
  const auto make_map = [this](const std::string& name) {
    Make(kube::kConfigMaps,
         {{"metadata", {{"name", name}, {"namespace", "default"}}}, {"data", {{"k", "v"}}}});
  };
  const auto make_pod = [this](const std::string& name) {
    const Json pod = Make(
        kube::kPods,
        {{"metadata",
          {{"name", name}, {"namespace", "default"}, {"annotations", {{"isEdgeDeployment", "true"}}}}},
         {"spec",
          {{"nodeName", "edge-1"}, {"containers", Json::array({{{"name", "app"}, {"image", "a:1"}}})}}}});
    names_[kube::UidOf(pod)] = name;
  };
  make_map("app");
  make_map("edgehub");
  make_pod("alone");
  EXPECT_THAT(Take(), Not(Contains("referent configmap/app"))) << "host nodes know nothing of it";
  EXPECT_THAT(last_apply_.references(), IsEmpty());

  options_.fleet = true;
  Restart();
  make_pod("fleet");
  const auto lines = Take();
  EXPECT_THAT(lines, Contains("referent configmap/app"));
  EXPECT_THAT(lines, Contains("referent configmap/edgehub"));
  EXPECT_THAT(lines, Contains("apply fleet"));
  EXPECT_THAT(last_apply_.references(), UnorderedElementsAre("configmap/app", "configmap/edgehub"));
  make_map("edgeagent");
  loop_.Advance(seconds(70));
  EXPECT_THAT(last_apply_.references(),
              UnorderedElementsAre("configmap/app", "configmap/edgehub", "configmap/edgeagent"));
}

}  // namespace
}  // namespace slicelet::shim
