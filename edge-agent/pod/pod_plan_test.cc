#include "edge-agent/pod/pod_plan.h"

#include <gtest/gtest.h>

#include "edge-agent/pod/pod_record.h"

namespace slicelet::agent {
namespace {

using std::chrono::seconds;

constexpr MonotonicTime kNow{std::chrono::hours(5)};

/// A pod whose sandbox and volumes are ready, with container "main".
PodModel ReadyPod(v1::RestartPolicy policy = v1::RESTART_POLICY_ALWAYS) {
  PodModel pod;
  pod.workload.set_uid("u");
  pod.workload.set_name("pod");
  pod.workload.set_namespace_("ns");
  pod.workload.set_restart_policy(policy);
  pod.workload.set_termination_grace_seconds(30);
  auto& container = *pod.workload.add_containers();
  container.set_name("main");
  container.set_image("app");
  pod.sandbox.id = "sb";
  pod.sandbox.ready = pod.sandbox.address_known = true;
  pod.volumes = PodModel::Volumes::kReady;
  pod.initialized = true;
  return pod;
}

void GiveImage(PodModel& pod, const std::string& name, const std::string& image) {
  pod.containers[name].image.name = image;
  pod.containers[name].image.ready = Image{};
}

void MakeRun(PodModel& pod, const std::string& name) {
  const v1::Container* spec = nullptr;
  bool init = false;
  for (const auto& container : pod.workload.containers()) {
    if (container.name() == name) spec = &container;
  }
  for (const auto& container : pod.workload.init_containers()) {
    if (container.name() == name) {
      spec = &container;
      init = true;
    }
  }
  BeginAttempt(pod, *spec, init, NextAttempt(pod, name), "id-" + name, "img");
  ContainerModel& model = pod.containers[name];
  model.phase = ContainerPhase::kRunning;
  model.started = kNow;
  model.post_start_done = model.startup_passed = model.ready_probe_passed = true;
}

void Exit(PodModel& pod, const std::string& name, int code, Duration ran = seconds(1), Duration ago = {}) {
  auto& terminated = *RecordOf(pod.record, name, false).mutable_state()->mutable_terminated();
  terminated.set_exit_code(code);
  terminated.set_started_at(1'000'000'000);
  terminated.set_finished_at(1'000'000'000 + ran.count());
  pod.containers[name].phase = ContainerPhase::kExited;
  pod.containers[name].finished = kNow - ago;
}

/// A pod whose container has ended so long after it was noted to have started.
PodModel EndedPod(int code, Duration ran, int backoff_step, Duration ago = {}) {
  PodModel pod = ReadyPod();
  MakeRun(pod, "main");
  Exit(pod, "main", code, ran, ago);
  RecordOf(pod.record, "main", false).set_backoff_step(backoff_step);
  GiveImage(pod, "main", "app");
  return pod;
}

TEST(PodPlan, AllThatIsSlowBeginsAtOnce) {
  PodModel pod = ReadyPod();
  pod.sandbox = {};
  pod.volumes = PodModel::Volumes::kNone;
  const PodPlan plan = PlanPod(pod, kNow);
  EXPECT_TRUE(plan.run_sandbox);
  EXPECT_TRUE(plan.prepare_volumes);
  EXPECT_EQ(plan.images, std::vector<std::string>{"main"});
  EXPECT_TRUE(plan.starts.empty());
}

TEST(PodPlan, ContainersOfOnePodStartTogether) {
  PodModel pod = ReadyPod();
  auto& second = *pod.workload.add_containers();
  second.set_name("second");
  second.set_image("app");
  GiveImage(pod, "main", "app");
  GiveImage(pod, "second", "app");
  EXPECT_EQ(PlanPod(pod, kNow).starts, (std::vector<std::string>{"main", "second"}));
}

TEST(PodPlan, NothingIsDoneToABusyContainer) {
  PodModel pod = ReadyPod();
  GiveImage(pod, "main", "app");
  pod.containers["main"].operation = ContainerModel::Operation::kStarting;
  const PodPlan plan = PlanPod(pod, kNow);
  EXPECT_TRUE(plan.starts.empty() && plan.stops.empty() && plan.images.empty());
}

TEST(PodPlan, NothingStartsBesideAStaleInstance) {
  PodModel pod = ReadyPod();
  GiveImage(pod, "main", "app");
  pod.containers["main"].stale = 1;
  EXPECT_TRUE(PlanPod(pod, kNow).starts.empty());
}

struct RestartCase {
  const char* name;
  v1::RestartPolicy policy;
  int exit_code;
  bool restarts;
  v1::Phase phase;  // when it does not
};

class RestartPolicyTable : public ::testing::TestWithParam<RestartCase> {};

TEST_P(RestartPolicyTable, DecidesAfterAnExit) {
  const RestartCase& c = GetParam();
  PodModel pod = ReadyPod(c.policy);
  MakeRun(pod, "main");
  Exit(pod, "main", c.exit_code);
  GiveImage(pod, "main", "app");
  const PodPlan plan = PlanPod(pod, kNow);
  EXPECT_EQ(!plan.starts.empty(), c.restarts);
  ASSERT_EQ(plan.terminal.has_value(), !c.restarts);
  if (plan.terminal) {
    EXPECT_EQ(plan.terminal->phase, c.phase);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Policies, RestartPolicyTable,
    ::testing::Values(RestartCase{"AlwaysZero", v1::RESTART_POLICY_ALWAYS, 0, true, {}},
                      RestartCase{"AlwaysOne", v1::RESTART_POLICY_ALWAYS, 1, true, {}},
                      RestartCase{"OnFailureZero", v1::RESTART_POLICY_ON_FAILURE, 0, false,
                                  v1::PHASE_SUCCEEDED},
                      RestartCase{"OnFailureOne", v1::RESTART_POLICY_ON_FAILURE, 1, true, {}},
                      RestartCase{"NeverZero", v1::RESTART_POLICY_NEVER, 0, false, v1::PHASE_SUCCEEDED},
                      RestartCase{"NeverOne", v1::RESTART_POLICY_NEVER, 1, false, v1::PHASE_FAILED}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(PodPlan, BackoffDoublesUpToFiveMinutesFromTheFinish) {
  EXPECT_EQ(RestartBackoff(0), seconds(0));
  EXPECT_EQ(RestartBackoff(1), seconds(10));
  EXPECT_EQ(RestartBackoff(2), seconds(20));
  EXPECT_EQ(RestartBackoff(5), seconds(160));
  EXPECT_EQ(RestartBackoff(6), seconds(300));
  EXPECT_EQ(RestartBackoff(60), seconds(300));

  const PodModel pod = EndedPod(1, seconds(1), 1, seconds(4));
  const PodPlan plan = PlanPod(pod, kNow);
  EXPECT_TRUE(plan.starts.empty());
  EXPECT_EQ(plan.wake, kNow + seconds(6));
  EXPECT_EQ(plan.waiting.at("main").reason, "CrashLoopBackOff");
  EXPECT_EQ(plan.waiting.at("main").message, "back-off 10s restarting failed container=main pod=pod_ns(u)");
}

TEST(PodPlan, TenHealthyMinutesForgiveFormerCrashes) {
  const PodModel pod = EndedPod(1, seconds(601), 6);
  EXPECT_EQ(PlanPod(pod, kNow).starts.size(), 1U);
  EXPECT_EQ(BackoffStepAfter(*FindRecord(pod.record, "main")), 1);
}

TEST(PodPlan, AnExitBeforeItsStartIsAClockThatWasSetAndNoCrash) {
  const PodModel pod = EndedPod(255, -std::chrono::hours(24), 6);
  EXPECT_EQ(PlanPod(pod, kNow).starts.size(), 1U);
  EXPECT_EQ(BackoffStepAfter(*FindRecord(pod.record, "main")), 1);
}

TEST(PodPlan, AContainerThatEndedBeforeItsStartWasNotedCrashedAtOnce) {
  const PodModel pod = EndedPod(3, -std::chrono::milliseconds(20), 1);
  const PodPlan plan = PlanPod(pod, kNow);
  EXPECT_TRUE(plan.starts.empty());
  EXPECT_EQ(plan.waiting.at("main").reason, "CrashLoopBackOff");
  EXPECT_EQ(BackoffStepAfter(*FindRecord(pod.record, "main")), 2);
}

TEST(PodPlan, AnotherImageIsPulledBeforeTheOldOneIsStopped) {
  PodModel pod = ReadyPod();
  MakeRun(pod, "main");
  pod.workload.mutable_containers(0)->set_image("app:2");
  PodPlan plan = PlanPod(pod, kNow);
  EXPECT_EQ(plan.images, std::vector<std::string>{"main"});
  EXPECT_TRUE(plan.stops.empty());
  GiveImage(pod, "main", "app:2");
  plan = PlanPod(pod, kNow);
  ASSERT_EQ(plan.stops.size(), 1U);
  EXPECT_EQ(plan.stops[0].grace, seconds(30));
}

TEST(PodPlan, VolumesThatAreToBeWrittenAgainDisturbNothingThatRuns) {
  PodModel pod = ReadyPod();
  MakeRun(pod, "main");
  pod.volumes = PodModel::Volumes::kNone;
  PodPlan plan = PlanPod(pod, kNow);
  EXPECT_TRUE(plan.prepare_volumes);
  EXPECT_TRUE(plan.stops.empty() && plan.images.empty() && !plan.run_sandbox && !plan.stop_sandbox);
  pod.workload.mutable_containers(0)->set_image("app:2");
  GiveImage(pod, "main", "app:2");
  EXPECT_TRUE(PlanPod(pod, kNow).stops.empty()) << "what comes after it would have to wait";
}

TEST(PodPlan, FailedInitContainerOfANeverPodEndsIt) {
  PodModel pod = ReadyPod(v1::RESTART_POLICY_NEVER);
  pod.initialized = false;
  auto& init = *pod.workload.add_init_containers();
  init.set_name("init");
  init.set_image("app");
  MakeRun(pod, "init");
  Exit(pod, "init", 1);
  const PodPlan plan = PlanPod(pod, kNow);
  ASSERT_TRUE(plan.terminal);
  EXPECT_EQ(plan.terminal->phase, v1::PHASE_FAILED);
}

TEST(PodPlan, SidecarsStopLastAndInReverse) {
  PodModel pod = ReadyPod();
  for (const char* name : {"s1", "s2"}) {
    auto& sidecar = *pod.workload.add_init_containers();
    sidecar.set_name(name);
    sidecar.set_image("app");
    sidecar.set_sidecar(true);
    MakeRun(pod, name);
  }
  MakeRun(pod, "main");
  pod.stop = PodModel::Stop{kNow + seconds(20), false};
  const auto stopping = [&] {
    std::vector<std::string> names;
    for (const auto& stop : PlanPod(pod, kNow).stops) names.push_back(stop.container);
    return names;
  };
  EXPECT_EQ(stopping(), std::vector<std::string>{"main"});
  Exit(pod, "main", 0);
  EXPECT_EQ(stopping(), std::vector<std::string>{"s2"});
  Exit(pod, "s2", 0);
  EXPECT_EQ(stopping(), std::vector<std::string>{"s1"});
  Exit(pod, "s1", 0);
  EXPECT_TRUE(PlanPod(pod, kNow).terminal);
}

TEST(PodPlan, StopIsRepeatedOnlyForAShorterGrace) {
  PodModel pod = ReadyPod();
  MakeRun(pod, "main");
  pod.stop = PodModel::Stop{kNow + seconds(100), false};
  pod.containers["main"].operation = ContainerModel::Operation::kStopping;
  pod.containers["main"].stop_deadline = kNow + seconds(100);
  EXPECT_TRUE(PlanPod(pod, kNow).stops.empty());
  pod.stop->deadline = kNow + seconds(5);
  ASSERT_EQ(PlanPod(pod, kNow).stops.size(), 1U);
  EXPECT_EQ(PlanPod(pod, kNow).stops[0].grace, seconds(5));
}

TEST(PodPlan, TerminalPhaseIsNeverLeft) {
  PodModel pod = ReadyPod();
  pod.record.set_terminal_phase(v1::PHASE_SUCCEEDED);
  const PodPlan plan = PlanPod(pod, kNow);
  EXPECT_TRUE(plan.starts.empty() && plan.images.empty() && !plan.run_sandbox && !plan.terminal);
  EXPECT_TRUE(plan.stop_sandbox);
}

TEST(PodPlan, DeadSandboxIsStoppedBeforeANewOneIsMade) {
  PodModel pod = ReadyPod();
  pod.sandbox.ready = false;
  PodPlan plan = PlanPod(pod, kNow);
  EXPECT_TRUE(plan.stop_sandbox);
  EXPECT_FALSE(plan.run_sandbox);
}

TEST(PodRecord, AttemptThatNeverRanIsForgottenWithItsName) {
  PodModel pod = ReadyPod();
  MakeRun(pod, "main");
  Exit(pod, "main", 4);
  BeginAttempt(pod, pod.workload.containers(0), false, 1, "id2", "img");
  EXPECT_EQ(FindRecord(pod.record, "main")->restart_count(), 1);
  ForgetAttempt(pod, "main");
  const v1::ContainerRecord& record = *FindRecord(pod.record, "main");
  EXPECT_EQ(record.last_attempt(), 0);
  EXPECT_EQ(record.restart_count(), 0);
  EXPECT_EQ(record.state().terminated().exit_code(), 4);
  EXPECT_EQ(NextAttempt(pod, "main"), 2U);
}

TEST(PodRecord, OnlyWhatRanWhenTheHostWentOffIsForgiven) {
  PodModel pod = ReadyPod();
  auto& second = *pod.workload.add_containers();
  second.set_name("second");
  second.set_image("app");
  MakeRun(pod, "main");
  MakeRun(pod, "second");
  Exit(pod, "second", 1);
  for (const char* name : {"main", "second"}) RecordOf(pod.record, name, false).set_backoff_step(4);
  const auto step = [&](const char* name) { return FindRecord(pod.record, name)->backoff_step(); };
  // Nobody knows whether it was off: the record is from before boots were written down.
  TakeUp(pod.record, "boot-1");
  TakeUp(pod.record, "boot-1");
  EXPECT_EQ(step("main"), 4);
  TakeUp(pod.record, "boot-2");
  EXPECT_EQ(step("main"), 0);
  EXPECT_EQ(step("second"), 4);
  EXPECT_EQ(pod.record.boot_id(), "boot-2");
}

TEST(PodRecord, WhatIsOverIsNeverPutBack) {
  PodModel pod = ReadyPod();
  MakeRun(pod, "main");
  MarkLost(pod, "main", kNow, 5);
  EXPECT_EQ(FindRecord(pod.record, "main")->state().terminated().reason(), "ContainerStatusUnknown");
  Container again;
  again.id = "id-main";
  again.name = "main";
  again.phase = ContainerPhase::kRunning;
  EXPECT_EQ(Observe(pod, again, "", kNow, 6), Observation::kStale);
}

}  // namespace
}  // namespace slicelet::agent
