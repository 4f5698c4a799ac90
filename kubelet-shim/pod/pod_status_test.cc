#include "kubelet-shim/pod/pod_status.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "kube/cluster/patch.h"
#include "kube/cluster/pod_rules.h"

namespace slicelet::shim {
namespace {

using Json = nlohmann::json;

constexpr std::int64_t kSecond = 1'000'000'000;
const WallTime kNow = FromUnixNanos(1'767'225'600 * kSecond);
constexpr char kNowText[] = "2026-01-01T00:00:00Z";

Json Pod() {
  return Json::parse(R"({
    "metadata": {"name": "web", "namespace": "default", "uid": "u-1", "generation": 2, "resourceVersion": "5"},
    "spec": {"restartPolicy": "Always", "containers": [{"name": "b", "image": "img-b"}, {"name": "a", "image": "img-a"}]},
    "status": {"phase": "Pending", "qosClass": "BestEffort",
      "conditions": [{"type": "PodScheduled", "status": "True", "lastProbeTime": null, "lastTransitionTime": "2025-12-31T00:00:00Z"},
                     {"type": "example.com/gate", "status": "False", "lastProbeTime": null, "lastTransitionTime": "2025-12-31T00:00:00Z"}]}})");
}

v1::ContainerStatus Running(const std::string& name) {
  v1::ContainerStatus status;
  status.set_name(name);
  status.set_image("img-" + name);
  status.set_image_id("sha256:" + name);
  status.set_container_id("containerd://" + name);
  status.set_ready(true);
  status.set_started(true);
  status.mutable_state()->mutable_running()->set_started_at(1'767'225'599 * kSecond + 5);
  return status;
}

v1::Condition Condition(const std::string& type, bool status) {
  v1::Condition condition;
  condition.set_type(type);
  condition.set_status(status);
  condition.set_last_transition(1'767'225'598 * kSecond);
  return condition;
}

v1::PodReport RunningReport() {
  v1::PodReport report;
  report.set_uid("u-1");
  report.set_api_pod_ip("198.18.0.7");
  auto& status = *report.mutable_status();
  status.set_phase(v1::PHASE_RUNNING);
  status.set_pod_generation(2);
  status.set_start_time(1'767'225'590 * kSecond);
  status.set_host_ip("10.0.0.9");
  status.add_pod_ips("10.88.0.3");
  *status.add_containers() = Running("b");
  *status.add_containers() = Running("a");
  for (const char* type : {"PodReadyToStartContainers", "Initialized", "ContainersReady"}) {
    *status.add_conditions() = Condition(type, true);
  }
  return report;
}

Json ConditionOf(const Json& status, const std::string& type) {
  for (const auto& condition : status.at("conditions")) {
    if (condition.at("type") == type) return condition;
  }
  return Json();
}

/// Writes the status as the API server would, and checks that it would.
Json Write(const Json& pod, const StatusSources& sources) {
  const Json patch = StatusPatch(pod, ComposeStatus(pod, sources, kNow), "10.88.0.3");
  if (patch.is_null()) return pod;
  EXPECT_EQ(patch["metadata"]["uid"], "u-1");
  auto after = kube::ApplyPatch(pod, kube::PatchType::kStrategicMerge, patch);
  EXPECT_TRUE(after.ok()) << Message(after.status());
  EXPECT_TRUE(kube::ValidatePodStatus(pod, *after).ok()) << Message(kube::ValidatePodStatus(pod, *after));
  return *after;
}

TEST(PodStatus, OfARunningPodIsWhole) {
  const auto report = RunningReport();
  const Json pod = Write(Pod(), {.report = &report});
  const Json& status = pod["status"];

  EXPECT_EQ(status["phase"], "Running");
  EXPECT_EQ(status["podIP"], "198.18.0.7");
  EXPECT_EQ(status["podIPs"], Json::parse(R"([{"ip": "198.18.0.7"}])"));
  EXPECT_EQ(status["hostIP"], "10.0.0.9");
  EXPECT_EQ(status["startTime"], "2025-12-31T23:59:50Z");
  EXPECT_EQ(status["observedGeneration"], 2);
  EXPECT_EQ(status["qosClass"], "BestEffort");
  EXPECT_EQ(status["containerStatuses"][0]["name"], "a");
  EXPECT_EQ(status["containerStatuses"][1]["containerID"], "containerd://b");
  EXPECT_EQ(status["containerStatuses"][0]["state"]["running"]["startedAt"], "2025-12-31T23:59:59Z");
  EXPECT_EQ(ConditionOf(status, "Ready")["status"], "True");
  EXPECT_EQ(ConditionOf(status, "Ready")["lastTransitionTime"], "2025-12-31T23:59:58Z");
  EXPECT_EQ(ConditionOf(status, "PodScheduled")["lastTransitionTime"], "2025-12-31T00:00:00Z");
  EXPECT_EQ(ConditionOf(status, "example.com/gate")["status"], "False");
  EXPECT_EQ(pod["metadata"]["annotations"][kHostPodIpAnnotation], "10.88.0.3");
}

TEST(PodStatus, ThatIsWrittenNeedsNoSecondWrite) {
  const auto report = RunningReport();
  const Json pod = Write(Pod(), {.report = &report});
  EXPECT_TRUE(
      StatusPatch(pod, ComposeStatus(pod, {.report = &report}, kNow + std::chrono::hours(1)), "10.88.0.3")
          .is_null());
}

TEST(PodStatus, DriftInOwnConditionsIsRepairedAndNothingElseTouched) {
  const auto report = RunningReport();
  Json pod = Write(Pod(), {.report = &report});
  for (auto& condition : pod["status"]["conditions"]) {
    if (condition["type"] == "Ready") {
      condition["status"] = "False";
      condition["reason"] = "NodeNotReady";
      condition["lastTransitionTime"] = "2025-12-31T23:59:59Z";
    }
  }

  const Json patch = StatusPatch(pod, ComposeStatus(pod, {.report = &report}, kNow), "10.88.0.3");

  EXPECT_EQ(patch["status"].size(), 1u);
  ASSERT_EQ(patch["status"]["conditions"].size(), 1u);
  EXPECT_EQ(patch["status"]["conditions"][0],
            Json::parse(R"({"type": "Ready", "status": "True", "reason": null,
    "lastTransitionTime": "2026-01-01T00:00:00Z"})"));
}

TEST(PodStatus, ReadinessGatesHoldReadyBack) {
  const auto report = RunningReport();
  Json pod = Pod();
  pod["spec"]["readinessGates"] =
      Json::parse(R"([{"conditionType": "example.com/gate"}, {"conditionType": "none"}])");
  pod = Write(pod, {.report = &report});
  const Json ready = ConditionOf(pod["status"], "Ready");
  EXPECT_EQ(ready["status"], "False");
  EXPECT_EQ(ready["reason"], "ReadinessGatesNotReady");
  EXPECT_EQ(ready["message"],
            "the status of pod readiness gate \"example.com/gate\" is not \"True\", but False, corresponding "
            "condition "
            "of pod readiness gate \"none\" does not exist.");
  EXPECT_EQ(ConditionOf(pod["status"], "ContainersReady")["status"], "True");
}

TEST(PodStatus, TerminalPhasesAreNeverLeft) {
  auto report = RunningReport();
  Json pod = Pod();
  pod["status"]["phase"] = "Succeeded";
  EXPECT_TRUE(ComposeStatus(pod, {.report = &report}, kNow).is_null());
}

TEST(PodStatus, APodThatRanIsNeverPendingAgain) {
  const auto report = RunningReport();
  Json pod = Write(Pod(), {.report = &report});
  v1::PodReport anew = report;
  anew.mutable_status()->set_phase(v1::PHASE_PENDING);
  for (auto& container : *anew.mutable_status()->mutable_containers()) {
    container.clear_container_id();
    container.set_ready(false);
    container.mutable_state()->mutable_waiting()->set_reason("ContainerCreating");
  }

  pod = Write(pod, {.report = &anew});

  EXPECT_EQ(pod["status"]["phase"], "Running");
  EXPECT_EQ(pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"], "ContainerCreating");
}

TEST(PodStatus, OfAFinishedPodIsNotReady) {
  auto report = RunningReport();
  report.mutable_status()->set_phase(v1::PHASE_SUCCEEDED);
  const Json pod = Write(Pod(), {.report = &report});
  EXPECT_EQ(ConditionOf(pod["status"], "Ready")["reason"], "PodCompleted");
  EXPECT_EQ(ConditionOf(pod["status"], "ContainersReady")["status"], "False");
  EXPECT_EQ(ConditionOf(pod["status"], "Initialized")["reason"], "PodCompleted");
}

TEST(PodStatus, AMissingConfigMapIsAWaitingReason) {
  const Json pod = Write(Pod(), {.config_errors = {{"a", "configmap \"c\" not found"}}});
  const Json& containers = pod["status"]["containerStatuses"];
  EXPECT_EQ(containers[0]["state"]["waiting"]["reason"], "CreateContainerConfigError");
  EXPECT_EQ(containers[0]["state"]["waiting"]["message"], "configmap \"c\" not found");
  EXPECT_EQ(containers[1]["state"]["waiting"]["reason"], "ContainerCreating");
  EXPECT_EQ(pod["status"]["phase"], "Pending");
  EXPECT_EQ(pod["status"]["startTime"], kNowText);
  EXPECT_EQ(ConditionOf(pod["status"], "Ready")["message"], "containers with unready status: [a b]");
}

TEST(PodStatus, ContainersWaitForInitContainers) {
  Json pod = Pod();
  pod["spec"]["initContainers"] =
      Json::parse(R"([{"name": "z", "image": "i"}, {"name": "y", "image": "i"}])");
  v1::PodReport report;
  pod = Write(pod, {.report = &report});
  EXPECT_EQ(pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"], "PodInitializing");
  EXPECT_EQ(pod["status"]["initContainerStatuses"][0]["name"], "z");
  EXPECT_EQ(ConditionOf(pod["status"], "Initialized")["reason"], "ContainersNotInitialized");
}

TEST(PodStatus, OfARefusedPodNamesTheField) {
  v1::Refusal refusal;
  refusal.set_reason("PodFeatureUnsupported");
  refusal.set_field("spec.volumes[0].csi");
  refusal.set_message("CSI volumes are not supported");
  const Json pod = Write(Pod(), {.refusal = refusal});
  EXPECT_EQ(pod["status"]["phase"], "Failed");
  EXPECT_EQ(pod["status"]["reason"], "PodFeatureUnsupported");
  EXPECT_EQ(pod["status"]["message"], "Pod was rejected: spec.volumes[0].csi: CSI volumes are not supported");
  EXPECT_FALSE(pod["status"].contains("containerStatuses"));

  refusal.set_message("spec.volumes[0].csi: not supported");
  EXPECT_EQ(Write(Pod(), {.refusal = refusal})["status"]["message"],
            "Pod was rejected: spec.volumes[0].csi: not supported");
}

TEST(PodStatus, WhatRanWhenThePodWentIsUnknown) {
  const auto report = RunningReport();
  Json pod = Write(Pod(), {.report = &report});
  pod = Write(pod, {.report = &report, .gone = true});
  EXPECT_EQ(pod["status"]["phase"], "Failed");
  const Json& terminated = pod["status"]["containerStatuses"][0]["state"]["terminated"];
  EXPECT_EQ(terminated["exitCode"], 137);
  EXPECT_EQ(terminated["reason"], "ContainerStatusUnknown");
}

TEST(PodStatus, RestartCountsNeverFallAndFinishedContainersStayFinished) {
  auto report = RunningReport();
  report.mutable_status()->mutable_containers(0)->set_restart_count(3);
  auto& done = *report.mutable_status()->mutable_containers(1)->mutable_state()->mutable_terminated();
  done.set_exit_code(0);
  done.set_reason("Completed");
  Json pod = Pod();
  pod["spec"]["restartPolicy"] = "OnFailure";
  pod = Write(pod, {.report = &report});

  const auto forgetful = RunningReport();
  pod = Write(pod, {.report = &forgetful});

  EXPECT_EQ(pod["status"]["containerStatuses"][1]["restartCount"], 3);
  EXPECT_EQ(pod["status"]["containerStatuses"][0]["state"]["terminated"]["reason"], "Completed");
}

TEST(PodStatus, HostNetworkPodsShowTheHostsAddress) {
  const auto report = RunningReport();
  Json pod = Pod();
  pod["spec"]["hostNetwork"] = true;
  EXPECT_EQ(ComposeStatus(pod, {.report = &report}, kNow)["podIP"], "10.0.0.9");
}

TEST(PodStatus, WhatIsNoAddressIsLeftOutAndHoldsNothingUp) {
  auto report = RunningReport();
  for (const std::string& text :
       {std::string("gw-1.lan"), std::string("10.0.0.9\0x", 10), std::string("fe80::1%eth0")}) {
    report.mutable_status()->set_host_ip(text);
    report.set_api_pod_ip(text);
    for (const bool on_host : {false, true}) {
      Json pod = Pod();
      pod["spec"]["hostNetwork"] = on_host;
      const Json status = Write(pod, {.report = &report})["status"];
      EXPECT_EQ(status["phase"], "Running");
      for (const char* member : {"hostIP", "hostIPs", "podIP", "podIPs"})
        EXPECT_FALSE(status.contains(member));
    }
  }
  report.mutable_status()->set_host_ip("fd00::9");
  EXPECT_EQ(Write(Pod(), {.report = &report})["status"]["hostIP"], "fd00::9");
}

TEST(PodStatus, AChangedAddressReplacesTheOldOne) {
  auto report = RunningReport();
  Json pod = Write(Pod(), {.report = &report});
  report.set_api_pod_ip("198.18.0.8");
  pod = Write(pod, {.report = &report});
  EXPECT_EQ(pod["status"]["podIPs"], Json::parse(R"([{"ip": "198.18.0.8"}])"));
}

}  // namespace
}  // namespace slicelet::shim
