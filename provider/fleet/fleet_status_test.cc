#include "provider/fleet/fleet_status.h"

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <optional>

#include "common/base/random.h"
#include "common/base/status.h"

namespace slicelet::provider {
namespace {

v1::WorkloadStatus Reported(v1::Phase phase) {
  v1::WorkloadStatus status;
  status.set_phase(phase);
  status.set_pod_generation(1);
  status.add_pod_ips("10.88.0.2");
  return status;
}
v1::ContainerStatus& AddContainer(v1::WorkloadStatus& status, const std::string& name, bool init = false) {
  auto& container = init ? *status.add_init_containers() : *status.add_containers();
  container.set_name(name);
  container.set_image("app:1");
  return container;
}
void SetCondition(v1::WorkloadStatus& status, const std::string& type, bool value) {
  auto& condition = *status.add_conditions();
  condition.set_type(type);
  condition.set_status(value);
}
v1::WorkloadStatus Running(bool ready = true, int restarts = 0) {
  v1::WorkloadStatus status = Reported(v1::PHASE_RUNNING);
  auto& container = AddContainer(status, "main");
  container.mutable_state()->mutable_running()->set_started_at(1);
  container.set_ready(ready);
  container.set_started(true);
  container.set_restart_count(restarts);
  SetCondition(status, "Initialized", true);
  SetCondition(status, "ContainersReady", ready);
  return status;
}
v1::WorkloadStatus Waiting(const std::string& reason) {
  v1::WorkloadStatus status = Reported(v1::PHASE_PENDING);
  AddContainer(status, "main").mutable_state()->mutable_waiting()->set_reason(reason);
  return status;
}
v1::WorkloadStatus Ended(int exit_code, v1::Phase phase) {
  v1::WorkloadStatus status = Reported(phase);
  auto& terminated = *AddContainer(status, "main").mutable_state()->mutable_terminated();
  terminated.set_exit_code(exit_code);
  terminated.set_reason(exit_code == 0 ? "Completed" : "Error");
  if (exit_code != 0) status.set_message("exit " + std::to_string(exit_code));
  return status;
}
v1::WorkloadStatus RefusedStatus(const std::string& reason) {
  v1::WorkloadStatus status;
  status.set_phase(v1::PHASE_FAILED);
  status.mutable_refused()->set_reason(reason);
  status.mutable_refused()->set_message("not here");
  return status;
}

class FleetStatusTest : public testing::Test {
 protected:
  FleetStatusTest() {
    workload_.set_uid("u1");
    workload_.add_containers()->set_name("main");
  }
  FleetInstance& Host(const std::string& id, const v1::WorkloadStatus& status) {
    FleetInstance& instance = Host(id);
    statuses_.push_back(status);
    instance.status = &statuses_.back();
    instance.applied = true;
    return instance;
  }
  FleetInstance& Host(const std::string& id) {
    FleetInstance& instance = instances_.emplace_back();
    instance.host = HostId(id);
    return instance;
  }
  void Policy(v1::RestartPolicy policy) { workload_.set_restart_policy(policy); }
  const FleetStatus& Run() {
    result_ = Aggregate(workload_, terms_, "fleet", instances_, undecided_, former_ ? &*former_ : nullptr);
    former_ = result_.status;
    return result_;
  }
  /// The hosts say something else now.
  void Again() { instances_.clear(); }
  [[nodiscard]] const v1::ContainerState& State() const { return result_.status.containers(0).state(); }
  [[nodiscard]] bool PodReady() const {
    for (const auto& condition : result_.status.conditions()) {
      if (condition.type() == "ContainersReady") return condition.status();
    }
    return false;
  }

  v1::Workload workload_;
  FleetTerms terms_;
  std::vector<FleetInstance> instances_;
  std::vector<HostId> undecided_;
  std::deque<v1::WorkloadStatus> statuses_;
  std::optional<v1::WorkloadStatus> former_;
  FleetStatus result_;
};

TEST_F(FleetStatusTest, WithoutAHostItIsPendingAndSaysWhy) {
  terms_.condition = *TargetCondition::Parse("tags.site = 'moon'");
  Run();
  EXPECT_EQ(result_.status.phase(), v1::PHASE_PENDING);
  EXPECT_FALSE(result_.placed.status());
  EXPECT_EQ(result_.placed.reason(), "NoHostMatches");
  EXPECT_EQ(result_.placed.message(),
            "no host of node fleet matches the target condition \"tags.site = 'moon'\"");
  EXPECT_EQ(result_.fleet.reason(), "NoHosts");
  EXPECT_EQ(State().waiting().reason(), "ContainerCreating");
}

TEST_F(FleetStatusTest, RunsFromTheFirstHostOnAndIsReadyWithAllInReach) {
  Host("a", Running());
  Host("b", Waiting("ContainerCreating"));
  Run();
  EXPECT_EQ(result_.status.phase(), v1::PHASE_RUNNING);
  EXPECT_TRUE(State().has_running());
  EXPECT_FALSE(PodReady());
  EXPECT_FALSE(result_.fleet.status());
  EXPECT_EQ(result_.fleet.message(), "targeted 2, applied 2, ready 1, failed 0, unreachable 0");
  Again();
  Host("a", Running());
  Host("b", Running());
  Host("c").reachable = false;
  Run();
  EXPECT_TRUE(PodReady());
  EXPECT_TRUE(result_.status.containers(0).ready());
  EXPECT_TRUE(result_.fleet.status());
  EXPECT_EQ(result_.fleet.message(), "targeted 3, applied 2, ready 2, failed 0, unreachable 1");
  EXPECT_TRUE(result_.placed.status());
}

TEST_F(FleetStatusTest, KeepsItsReadinessWhenEveryHostIsOutOfReach) {
  Host("a", Running()).reachable = false;
  Host("b", Running()).reachable = false;
  Run();
  EXPECT_TRUE(PodReady());
}

TEST_F(FleetStatusTest, MinReadyDecidesHowManyAreEnough) {
  terms_.min_ready.percent = 50;
  Host("a", Running());
  Host("b", Waiting("ImagePullBackOff"));
  Run();
  EXPECT_TRUE(PodReady());
  EXPECT_EQ(result_.fleet.message(),
            "targeted 2, applied 2, ready 1, failed 0, unreachable 0; 1/2 hosts: ImagePullBackOff (b)");
  terms_.min_ready = {.number = 2};
  Run();
  EXPECT_FALSE(PodReady());
}

TEST_F(FleetStatusTest, HostsThatRunTheFormerImageAreNamed) {
  Host("a", Running());
  auto former = Running();
  auto& images = *former.add_conditions();
  images.set_type("slicelet.io/ImagesCurrent");
  images.set_reason("ImagePullBackOff");
  Host("b", former);
  Run();
  EXPECT_TRUE(PodReady());
  EXPECT_EQ(result_.fleet.message(),
            "targeted 2, applied 2, ready 2, failed 0, unreachable 0; 1/2 hosts: ImagePullBackOff (b)");
}

TEST_F(FleetStatusTest, TheWorstStatesAreNamedWithTheirHosts) {
  for (const char* id : {"gw-1", "gw-2", "gw-3", "gw-4", "gw-5", "gw-6", "gw-7"})
    Host(id, Waiting("ImagePullBackOff"));
  Host("gw-8", Running());
  auto broken = Running(false, 3);
  broken.mutable_containers(0)->mutable_state()->mutable_waiting()->set_reason("CrashLoopBackOff");
  Host("gw-9", broken);
  Run();
  EXPECT_EQ(result_.fleet.message(),
            "targeted 9, applied 9, ready 1, failed 0, unreachable 0; 7/9 hosts: ImagePullBackOff (gw-1, "
            "gw-2, gw-3, "
            "gw-4, gw-5 and 2 more); 1/9 hosts: CrashLoopBackOff (gw-9)");
  EXPECT_EQ(result_.status.containers(0).restart_count(), 3);
}

TEST_F(FleetStatusTest, AJobIsOverOnlyWhenItIsOverEverywhere) {
  Policy(v1::RESTART_POLICY_NEVER);
  Host("a", Ended(0, v1::PHASE_SUCCEEDED));
  Host("b");
  Run();
  EXPECT_EQ(result_.status.phase(), v1::PHASE_RUNNING);
  EXPECT_EQ(State().waiting().reason(), "FinishedOnSomeHosts")
      << "never Terminated before the phase is terminal";
  EXPECT_EQ(State().waiting().message(), "finished on 1 of 2 hosts");
  Again();
  Host("a", Ended(0, v1::PHASE_SUCCEEDED));
  Host("b", Running());
  Run();
  EXPECT_TRUE(State().has_running());
  Again();
  Host("a", Ended(0, v1::PHASE_SUCCEEDED));
  Host("b", Ended(3, v1::PHASE_FAILED));
  Run();
  EXPECT_EQ(result_.status.phase(), v1::PHASE_FAILED);
  EXPECT_EQ(State().terminated().exit_code(), 3);
  EXPECT_EQ(result_.status.message(), "host b: exit 3");
  EXPECT_FALSE(PodReady());
  Again();
  Host("a", Running());
  Run();
  EXPECT_EQ(result_.status.phase(), v1::PHASE_FAILED) << "for good";
}

TEST_F(FleetStatusTest, AJobIsNotOverWhileAHostThatWasNotHeardMayRunIt) {
  Policy(v1::RESTART_POLICY_NEVER);
  Host("a", Ended(3, v1::PHASE_FAILED));
  undecided_ = {HostId("b"), HostId("c")};
  Run();
  EXPECT_EQ(result_.status.phase(), v1::PHASE_RUNNING);
  EXPECT_EQ(State().waiting().reason(), "FinishedOnSomeHosts");
  EXPECT_EQ(result_.fleet.message(),
            "targeted 1, applied 1, ready 0, failed 1, unreachable 0; 1/1 hosts: Error (a); "
            "it may run on hosts not heard since the hub started: b, c");
  undecided_.clear();
  Run();
  EXPECT_EQ(result_.status.phase(), v1::PHASE_FAILED);
}

TEST_F(FleetStatusTest, ARunningPodNeverBecomesPendingAgain) {
  Host("a", Running(true, 5));
  Run();
  Again();
  Host("b", Waiting("ContainerCreating"));
  Run();
  EXPECT_EQ(result_.status.phase(), v1::PHASE_RUNNING);
  EXPECT_EQ(result_.status.containers(0).restart_count(), 5);
}

TEST_F(FleetStatusTest, WhereEveryHostRefusesItStaysPendingWithCountsPerReason) {
  Host("a", RefusedStatus("OutOfmemory"));
  Host("b", RefusedStatus("OutOfmemory"));
  Host("c").superseded = "pod ns/x has host port 80/TCP";
  Run();
  EXPECT_EQ(result_.status.phase(), v1::PHASE_PENDING);
  EXPECT_FALSE(result_.status.has_refused());
  EXPECT_FALSE(result_.placed.status());
  EXPECT_EQ(result_.placed.reason(), "NoHostTakesIt");
  EXPECT_EQ(
      result_.placed.message(),
      "2/3 hosts: OutOfmemory (a, b): not here; 1/3 hosts: Superseded (c): pod ns/x has host port 80/TCP");
}

TEST_F(FleetStatusTest, ARefusalBesideSuccessFailsAJob) {
  Policy(v1::RESTART_POLICY_NEVER);
  Host("a", Ended(0, v1::PHASE_SUCCEEDED));
  Host("b", RefusedStatus("HostPolicy"));
  Run();
  EXPECT_EQ(result_.status.phase(), v1::PHASE_FAILED);
  EXPECT_EQ(result_.status.reason(), "HostPolicy");
}

TEST_F(FleetStatusTest, ASupersededHostIsNotWaitedForButTold) {
  Host("a", Running());
  Host("b").superseded = "pod ns/x has the host's base deployment";
  Run();
  EXPECT_TRUE(PodReady());
  EXPECT_EQ(result_.fleet.message(),
            "targeted 2, applied 1, ready 1, failed 0, unreachable 0; 1/2 hosts: Superseded (b)");
}

TEST_F(FleetStatusTest, WhatMayWaitForGoodIsTold) {
  Host("a", Running());
  Host("b").waits = "waits for host port 80/TCP";
  Host("c").superseded = "pod ns/x has host port 80/TCP";
  Run();
  EXPECT_TRUE(result_.placed.status());
  EXPECT_EQ(result_.placed.message(), "1/3 hosts: WaitsForPlace (b): waits for host port 80/TCP");
  Again();
  Host("b").waits = "waits for host port 80/TCP";
  Run();
  EXPECT_FALSE(result_.placed.status());
  EXPECT_EQ(result_.placed.reason(), "WaitsForPlace");
  EXPECT_EQ(result_.placed.message(), "1/1 hosts: WaitsForPlace (b): waits for host port 80/TCP");
  EXPECT_EQ(result_.fleet.message(),
            "targeted 1, applied 0, ready 0, failed 0, unreachable 0; 1/1 hosts: WaitsForPlace (b)");
  EXPECT_EQ(result_.status.phase(), v1::PHASE_RUNNING) << "as before";
}

TEST_F(FleetStatusTest, AnInitContainerIsShownDoneOnlyWhereItMayBegin) {
  workload_.add_init_containers()->set_name("init");
  auto ran = Running();
  AddContainer(ran, "init", true).mutable_state()->mutable_terminated()->set_reason("Completed");
  Host("a", ran);
  Policy(v1::RESTART_POLICY_ON_FAILURE);
  Run();
  EXPECT_TRUE(result_.status.init_containers(0).state().has_waiting());
  EXPECT_TRUE(result_.status.init_containers(0).ready());
  Policy(v1::RESTART_POLICY_ALWAYS);
  Run();
  EXPECT_TRUE(result_.status.init_containers(0).state().has_terminated());
}

// What the API server and its readers take for granted, over random lives of random fleets.
TEST(FleetStatus, NeverGoesBackWhateverTheHostsSay) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    SeededRandom random(seed);
    v1::Workload workload;
    workload.set_uid("u");
    workload.add_containers()->set_name("main");
    const auto policy = static_cast<v1::RestartPolicy>(random.Below(3));
    workload.set_restart_policy(policy);
    std::optional<v1::WorkloadStatus> former;
    for (int step = 0; step < 20; ++step) {
      std::deque<v1::WorkloadStatus> statuses;
      std::vector<FleetInstance> instances;
      for (std::uint64_t host = 0; host < random.Below(5); ++host) {
        FleetInstance& instance = instances.emplace_back();
        instance.host = HostId("h" + std::to_string(host));
        instance.reachable = random.Below(4) != 0;
        if (random.Below(6) == 0) instance.superseded = "pod x";
        switch (random.Below(6)) {
          case 0:
            continue;
          case 1:
            statuses.push_back(Waiting("ErrImagePull"));
            break;
          case 2:
            statuses.push_back(RefusedStatus("OutOfcpu"));
            break;
          case 3:
            statuses.push_back(policy == v1::RESTART_POLICY_ALWAYS ? Ended(1, v1::PHASE_RUNNING)
                                                                   : Ended(0, v1::PHASE_SUCCEEDED));
            break;
          case 4:
            statuses.push_back(policy == v1::RESTART_POLICY_NEVER ? Ended(2, v1::PHASE_FAILED)
                                                                  : Ended(0, v1::PHASE_RUNNING));
            break;
          default:
            statuses.push_back(Running(random.Below(2) == 0, static_cast<int>(random.Below(9))));
        }
        instance.status = &statuses.back();
      }
      const v1::WorkloadStatus next =
          Aggregate(workload, FleetTerms(), "n", instances, {}, former ? &*former : nullptr).status;
      const bool over = next.phase() == v1::PHASE_SUCCEEDED || next.phase() == v1::PHASE_FAILED;
      if (former) {
        ASSERT_GE(next.phase(), former->phase()) << "seed " << seed;
        ASSERT_GE(next.containers(0).restart_count(), former->containers(0).restart_count())
            << "seed " << seed;
      }
      if (policy != v1::RESTART_POLICY_ALWAYS && next.containers(0).state().has_terminated()) {
        ASSERT_TRUE(over) << "seed " << seed;
      }
      if (over) break;
      former = next;
    }
  }
}

}  // namespace
}  // namespace slicelet::provider
