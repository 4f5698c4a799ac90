#include "edge-agent/pod/pod_supervisor.h"

#include <gmock/gmock.h>

#include "edge-agent/pod/testing/pod_host.h"

namespace slicelet::agent {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

class PodSupervisorTest : public ::testing::Test {
 protected:
  PodHost host_;
};

TEST_F(PodSupervisorTest, RunsAPodAndReportsItWithinMillisecondsOfTheRuntime) {
  host_.Apply({host_.Pod("u1")});
  const auto began = host_.loop.Now();
  ASSERT_TRUE(host_.RunUntil([&] { return host_.IsReady("u1"); }));
  // Sandbox 50 + address 1 + create 10 + start 30 + status 1 ms in the runtime; a commit may add 2.
  EXPECT_LE(host_.loop.Now() - began, milliseconds(100));
  const v1::WorkloadStatus status = host_.Status("u1");
  EXPECT_EQ(status.phase(), v1::PHASE_RUNNING);
  EXPECT_EQ(status.pod_generation(), 1);
  EXPECT_EQ(status.pod_ips_size(), 1);
  EXPECT_EQ(status.host_ip(), "192.0.2.1");
  ASSERT_EQ(status.containers_size(), 1);
  EXPECT_EQ(status.containers(0).container_id().rfind("containerd://", 0), 0U);
  EXPECT_TRUE(status.containers(0).started());
  EXPECT_GT(status.containers(0).state().running().started_at(), 0);
  for (const auto& condition : status.conditions()) EXPECT_TRUE(condition.status()) << condition.type();
}

TEST_F(PodSupervisorTest, ExitIsReportedOnceDurable) {
  v1::Workload pod = host_.Pod("u1");
  pod.set_restart_policy(v1::RESTART_POLICY_NEVER);
  host_.runtime_host.images["app"].exits_after = seconds(5);
  host_.runtime_host.images["app"].exit_code = 3;
  host_.Apply({pod});
  ASSERT_TRUE(host_.RunUntil([&] { return host_.Status("u1").phase() == v1::PHASE_FAILED; }));
  const auto& terminated = host_.Status("u1").containers(0).state().terminated();
  EXPECT_EQ(terminated.exit_code(), 3);
  EXPECT_EQ(terminated.reason(), "Error");
  EXPECT_EQ(host_.store.records().at(PodUid("u1")).terminal_phase(), v1::PHASE_FAILED);
}

TEST_F(PodSupervisorTest, RestartsWithTheKubeletsBackoff) {
  host_.runtime_host.images["app"].exits_after = seconds(1);
  host_.runtime_host.images["app"].exit_code = 1;
  host_.Apply({host_.Pod("u1")});
  host_.loop.Advance(seconds(100));
  std::vector<std::int64_t> gaps;
  const auto& starts = host_.runtime_host.starts();
  for (std::size_t i = 1; i < starts.size(); ++i) {
    gaps.push_back(std::chrono::duration_cast<seconds>(starts[i].at - starts[i - 1].at).count());
  }
  EXPECT_EQ(gaps, (std::vector<std::int64_t>{1, 11, 21, 41}));
  const v1::WorkloadStatus status = host_.Status("u1");
  EXPECT_EQ(status.containers(0).state().waiting().reason(), "CrashLoopBackOff");
  EXPECT_EQ(status.containers(0).last_state().terminated().exit_code(), 1);
  EXPECT_EQ(status.containers(0).restart_count(), 4);
  EXPECT_EQ(status.phase(), v1::PHASE_RUNNING);
}

TEST_F(PodSupervisorTest, AdoptsEverythingAfterAKill) {
  host_.Apply({host_.Pod("u1"), host_.Pod("u2")});
  ASSERT_TRUE(host_.RunUntil([&] { return host_.IsReady("u1") && host_.IsReady("u2"); }));
  const auto id = host_.Status("u1").containers(0).container_id();
  host_.Kill();
  host_.StartAgent();
  ASSERT_TRUE(host_.RunUntil([&] { return host_.IsReady("u1") && host_.IsReady("u2"); }));
  EXPECT_EQ(host_.Status("u1").containers(0).container_id(), id);
  EXPECT_EQ(host_.Status("u1").containers(0).restart_count(), 0);
  EXPECT_EQ(host_.runtime_host.starts().size(), 2U);
}

TEST_F(PodSupervisorTest, WithoutAManifestItTellsWhatRunsAndTouchesNothing) {
  host_.Apply({host_.Pod("u1"), host_.Pod("u2")});
  ASSERT_TRUE(host_.RunUntil([&] { return host_.IsReady("u1") && host_.IsReady("u2"); }));
  EXPECT_FALSE(host_.agent->Unexplained());
  host_.Kill();
  host_.store.Lose();
  host_.StartAgent();
  bool told = false;
  host_.agent->OnStatusChanged([&](const std::vector<PodUid>&, bool) { told = true; });
  EXPECT_FALSE(host_.agent->Unexplained()) << "the runtime has not answered";
  ASSERT_TRUE(host_.RunUntil([&] { return told; }));
  EXPECT_EQ(host_.agent->Unexplained(), (std::set<PodUid>{PodUid("u1"), PodUid("u2")}));
  host_.loop.Advance(seconds(60));
  EXPECT_EQ(host_.runtime_host.Running("u1").size(), 1U);
  host_.Apply({host_.Pod("u1")});
  EXPECT_FALSE(host_.agent->Unexplained());
  EXPECT_TRUE(host_.RunUntil([&] { return host_.runtime_host.Running("u2").empty(); }));
  EXPECT_EQ(host_.runtime_host.Running("u1").size(), 1U);
}

TEST_F(PodSupervisorTest, AKillAtAnyMomentOfTheStartNeitherDoublesNorLosesAnything) {
  for (int at = 0; at < 110; ++at) {
    PodHost host;
    v1::Workload pod = host.Pod("u1");
    pod.set_restart_policy(v1::RESTART_POLICY_NEVER);
    host.Apply({pod});
    host.loop.Advance(milliseconds(at));
    host.Kill();
    host.loop.Advance(milliseconds(at % 7 * 20));
    host.StartAgent();
    EXPECT_TRUE(host.RunUntil([&] { return host.IsReady("u1"); }))
        << "killed after " << at << " ms: " << host.Status("u1").DebugString();
    EXPECT_TRUE(host.runtime_host.violations().empty())
        << "killed after " << at << " ms: " << host.runtime_host.violations()[0];
    EXPECT_EQ(host.runtime_host.Running("u1").size(), 1U) << at;
    host.loop.Advance(seconds(30));
    EXPECT_EQ(host.runtime_host.sandboxes().size(), 1U) << at;
    EXPECT_TRUE(host.IsReady("u1")) << at;
  }
}

TEST_F(PodSupervisorTest, AnExitBeforeAKillIsLearntThoughTheNextAttemptWasCreated) {
  host_.Apply({host_.Pod("u1")});
  ASSERT_TRUE(host_.RunUntil([&] { return host_.IsReady("u1"); }));
  const std::string first = host_.runtime_host.Running("u1").at("main");
  // Neither the exit nor the next attempt becomes durable, and that one never begins.
  host_.store.SetStalled(true);
  host_.runtime_host.Fail("StartContainer", absl::UnavailableError("no"));
  host_.runtime_host.Kill(first, 9);
  ASSERT_TRUE(host_.RunUntil([&] { return host_.runtime_host.containers().size() == 2; }));
  host_.Kill();
  host_.store.SetStalled(false);
  host_.StartAgent();

  ASSERT_TRUE(host_.RunUntil([&] { return host_.HasStatus("u1"); }));
  EXPECT_EQ(host_.Status("u1").phase(), v1::PHASE_RUNNING);
  ASSERT_TRUE(host_.RunUntil([&] { return host_.IsReady("u1"); }));
  const auto& container = host_.Status("u1").containers(0);
  EXPECT_EQ(container.restart_count(), 1);
  EXPECT_EQ(container.last_state().terminated().exit_code(), 9);
}

TEST_F(PodSupervisorTest, RebootStartsWhatMayRunAndNothingElse) {
  v1::Workload always = host_.Pod("always");
  *always.add_init_containers() = host_.MakeContainer("setup", "job");
  v1::Workload never = host_.Pod("never");
  never.set_restart_policy(v1::RESTART_POLICY_NEVER);
  v1::Workload job = host_.Pod("job");
  job.set_restart_policy(v1::RESTART_POLICY_ON_FAILURE);
  job.mutable_containers(0)->set_image("job");
  host_.Apply({always, never, job});
  ASSERT_TRUE(host_.RunUntil([&] {
    return host_.IsReady("always") && host_.IsReady("never") &&
           host_.Status("job").phase() == v1::PHASE_SUCCEEDED;
  }));
  host_.Reboot();
  host_.StartAgent();
  ASSERT_TRUE(host_.RunUntil(
      [&] { return host_.IsReady("always") && host_.Status("never").phase() == v1::PHASE_FAILED; }));
  host_.loop.Advance(seconds(60));
  EXPECT_EQ(host_.runtime_host.StartCount("always", "setup"), 1);
  EXPECT_EQ(host_.runtime_host.StartCount("always", "main"), 2);
  EXPECT_EQ(host_.Status("always").containers(0).restart_count(), 1);
  EXPECT_EQ(host_.Status("always").containers(0).last_state().terminated().exit_code(), 255);
  EXPECT_EQ(host_.runtime_host.StartCount("never", "main"), 1);
  EXPECT_EQ(host_.runtime_host.StartCount("job", "main"), 1);
  EXPECT_EQ(host_.Status("job").phase(), v1::PHASE_SUCCEEDED);
  EXPECT_TRUE(host_.runtime_host.violations().empty());
}

TEST_F(PodSupervisorTest, LostStoreAndNoManifestTouchesNothingUntilOneIsAccepted) {
  const v1::Workload keep = host_.Pod("keep");
  host_.Apply({keep, host_.Pod("drop")});
  ASSERT_TRUE(host_.RunUntil([&] { return host_.IsReady("keep") && host_.IsReady("drop"); }));
  host_.Kill();
  host_.store.Lose();
  host_.StartAgent();
  host_.loop.Advance(seconds(600));
  EXPECT_EQ(host_.runtime_host.Running("keep").size(), 1U);
  EXPECT_EQ(host_.runtime_host.Running("drop").size(), 1U);
  host_.Apply({keep});
  ASSERT_TRUE(
      host_.RunUntil([&] { return host_.IsReady("keep") && host_.runtime_host.Running("drop").empty(); }));
  EXPECT_EQ(host_.runtime_host.StartCount("keep", "main"), 1);
  EXPECT_TRUE(host_.runtime_host.violations().empty());
}

TEST_F(PodSupervisorTest, StopEndsEverythingAndReportsGone) {
  host_.Apply({host_.Pod("u1")});
  ASSERT_TRUE(host_.RunUntil([&] { return host_.IsReady("u1"); }));
  host_.Stop("u1", 30);
  const auto began = host_.loop.Now();
  ASSERT_TRUE(host_.RunUntil([&] { return host_.Status("u1").gone(); }));
  EXPECT_LE(host_.loop.Now() - began, milliseconds(100));
  EXPECT_TRUE(host_.runtime_host.containers().empty());
  EXPECT_TRUE(host_.runtime_host.sandboxes().empty());
  host_.loop.Advance(seconds(1));
  EXPECT_TRUE(host_.store.records().empty());
  host_.Apply({});
  EXPECT_TRUE(host_.agent->Statuses().empty());
}

TEST_F(PodSupervisorTest, ManyFilesOfAPodAreRemovedInManyTurnsAndAfterAKillToo) {
  v1::Workload pod = host_.Pod("u1");
  pod.add_volumes()->set_name("data");
  pod.mutable_volumes(0)->mutable_empty_dir();
  host_.Apply({pod});
  ASSERT_TRUE(host_.RunUntil([&] { return host_.IsReady("u1"); }));
  const std::string data = "/agent/pods/u1/volumes/data";
  const auto left = [&] {
    return host_.files.Find(data) == nullptr ? std::size_t{0} : host_.files.List(data)->size();
  };
  for (int i = 0; i < 2'000; ++i) host_.files.Put(data + "/" + std::to_string(i), {});
  host_.Stop("u1", 30);
  for (int turn = 0; turn < 1'000 && left() > 1'000; ++turn) {
    const std::size_t before = left();
    host_.loop.Advance(milliseconds(1));
    ASSERT_GE(left() + 250, before) << "in one turn";
  }
  ASSERT_LE(left(), 1'000U);
  EXPECT_FALSE(host_.Status("u1").gone());
  host_.Kill();
  host_.StartAgent();
  ASSERT_TRUE(host_.RunUntil([&] { return host_.Status("u1").gone(); }));
  EXPECT_EQ(host_.files.Find("/agent/pods/u1"), nullptr);
  EXPECT_TRUE(host_.runtime_host.violations().empty());
  host_.loop.Advance(seconds(1));
  EXPECT_TRUE(host_.store.records().empty());
}

TEST_F(PodSupervisorTest, AShorterGraceReplacesALongerOne) {
  host_.runtime_host.images["app"].ignores_sigterm = true;
  host_.Apply({host_.Pod("u1")});
  ASSERT_TRUE(host_.RunUntil([&] { return host_.IsReady("u1"); }));
  host_.Stop("u1", 300);
  host_.loop.Advance(seconds(5));
  host_.Stop("u1", 0);
  EXPECT_TRUE(host_.RunUntil([&] { return host_.Status("u1").gone(); }, seconds(1)));
}

TEST_F(PodSupervisorTest, OnlyAChangedImageRestartsAContainer) {
  v1::Workload pod = host_.Pod("u1");
  *pod.add_containers() = host_.MakeContainer("side", "app");
  host_.Apply({pod});
  ASSERT_TRUE(host_.RunUntil([&] { return host_.IsReady("u1"); }));
  (*pod.mutable_labels())["new"] = "label";
  host_.Apply({pod});
  host_.loop.Advance(seconds(5));
  EXPECT_EQ(host_.runtime_host.starts().size(), 2U);
  EXPECT_EQ(host_.Status("u1").pod_generation(), 2);

  host_.runtime_host.images["app:2"].pull_time = seconds(3);
  pod.mutable_containers(0)->set_image("app:2");
  host_.Apply({pod});
  host_.loop.Advance(seconds(2));
  EXPECT_EQ(host_.runtime_host.Running("u1").size(), 2U)
      << "the old one serves while the new image is pulled";
  ASSERT_TRUE(host_.RunUntil(
      [&] { return host_.runtime_host.StartCount("u1", "main") == 2 && host_.IsReady("u1"); }));
  EXPECT_EQ(host_.runtime_host.StartCount("u1", "side"), 1);
  EXPECT_EQ(host_.Status("u1").containers(0).image(), "app:2");
  EXPECT_EQ(host_.Status("u1").containers(0).restart_count(), 1);
}

TEST_F(PodSupervisorTest, AnImageThatChangesWhileItsContainerIsMadeIsTheOneThatRuns) {
  host_.runtime_host.latency.create = seconds(2);
  v1::Workload pod = host_.Pod("u1");
  host_.Apply({pod});
  host_.loop.Advance(seconds(1));
  pod.mutable_containers(0)->set_image("app:2");
  host_.Apply({pod});
  ASSERT_TRUE(host_.RunUntil([&] { return host_.IsReady("u1"); }));
  ASSERT_EQ(host_.runtime_host.starts().size(), 1U) << "the one with the old image was never started";
  EXPECT_EQ(host_.runtime_host.starts()[0].image, "app:2");
  EXPECT_EQ(host_.Status("u1").containers(0).image(), "app:2");
}

TEST_F(PodSupervisorTest, ConfigMapChangesFilesWithoutARestart) {
  v1::Workload pod = host_.Pod("u1");
  v1::Volume& volume = *pod.add_volumes();
  volume.set_name("conf");
  volume.mutable_projection()->add_sources()->mutable_content()->set_content_id("configmap/conf");
  v1::Mount& mount = *pod.mutable_containers(0)->add_mounts();
  mount.set_volume("conf");
  mount.set_path("/conf");
  host_.SetContent("configmap/conf", {{"key", "old"}});
  host_.Apply({pod});
  ASSERT_TRUE(host_.RunUntil([&] { return host_.IsReady("u1"); }));
  const std::string path = "/agent/volatile/u1/conf/key";
  EXPECT_EQ(host_.files.Read(path, 100).value(), "old");
  const auto& mounted = host_.runtime_host.containers().begin()->second.config.mounts.at(0);
  EXPECT_EQ(mounted.container_path, "/conf");
  EXPECT_TRUE(mounted.read_only) << "whatever the pod says";
  host_.SetContent("configmap/conf", {{"key", "new"}});
  host_.Apply({pod});
  host_.loop.Advance(seconds(1));
  EXPECT_EQ(host_.files.Read(path, 100).value(), "new");
  EXPECT_EQ(host_.runtime_host.starts().size(), 1U);
}

TEST_F(PodSupervisorTest, InitContainersRunInOrderAndSidecarsStayUntilTheEnd) {
  v1::Workload pod = host_.Pod("u1");
  pod.set_restart_policy(v1::RESTART_POLICY_NEVER);
  *pod.add_init_containers() = host_.MakeContainer("first", "job");
  v1::Container sidecar = host_.MakeContainer("sidecar", "app");
  sidecar.set_sidecar(true);
  *pod.add_init_containers() = sidecar;
  *pod.add_init_containers() = host_.MakeContainer("last", "job");
  pod.mutable_containers(0)->set_image("job");
  host_.Apply({pod});
  ASSERT_TRUE(host_.RunUntil([&] { return host_.Status("u1").phase() == v1::PHASE_SUCCEEDED; }));
  std::vector<std::string> order;
  for (const auto& start : host_.runtime_host.starts()) order.push_back(start.container);
  EXPECT_EQ(order, (std::vector<std::string>{"first", "sidecar", "last", "main"}));
  EXPECT_TRUE(host_.runtime_host.Running("u1").empty());
}

TEST_F(PodSupervisorTest, FailedPullsShowTheKubeletsWords) {
  v1::Workload pod = host_.Pod("u1");
  pod.mutable_containers(0)->set_image("nowhere");
  host_.runtime_host.images["nowhere"].missing = true;
  host_.Apply({pod});
  const auto reason = [&] { return host_.Status("u1").containers(0).state().waiting().reason(); };
  ASSERT_TRUE(host_.RunUntil([&] { return host_.HasStatus("u1") && reason() == "ErrImagePull"; }));
  ASSERT_TRUE(host_.RunUntil([&] { return reason() == "ImagePullBackOff"; }));
  EXPECT_EQ(host_.Status("u1").phase(), v1::PHASE_PENDING);
  host_.runtime_host.images["nowhere"].missing = false;
  EXPECT_TRUE(host_.RunUntil([&] { return host_.IsReady("u1"); }));
}

TEST_F(PodSupervisorTest, AChangedImageThatCanNotBePulledIsACondition) {
  v1::Workload pod = host_.Pod("u1");
  host_.Apply({pod});
  ASSERT_TRUE(host_.RunUntil([&] { return host_.IsReady("u1"); }));
  const auto images = [&]() -> const v1::Condition* {
    for (const auto& condition : host_.Status("u1").conditions()) {
      if (condition.type() == "slicelet.io/ImagesCurrent") return &condition;
    }
    return nullptr;
  };
  EXPECT_EQ(images(), nullptr);

  host_.runtime_host.images["nowhere"].missing = true;
  pod.mutable_containers(0)->set_image("nowhere");
  host_.Apply({pod});
  ASSERT_TRUE(
      host_.RunUntil([&] { return images() != nullptr && images()->reason() == "ImagePullBackOff"; }));
  EXPECT_FALSE(images()->status());
  EXPECT_THAT(images()->message(),
              testing::StartsWith("main runs app until nowhere is there: Back-off pulling "
                                  "image \"nowhere\": ErrImagePull: "));
  EXPECT_TRUE(host_.IsReady("u1")) << "the old one serves";
  EXPECT_EQ(host_.Status("u1").containers(0).image(), "app");

  host_.runtime_host.images["nowhere"].missing = false;
  ASSERT_TRUE(host_.RunUntil([&] { return images() == nullptr; }));
  EXPECT_TRUE(host_.RunUntil(
      [&] { return host_.Status("u1").containers(0).image() == "nowhere" && host_.IsReady("u1"); }));
}

TEST_F(PodSupervisorTest, AChangedImageThatIsChangedBackIsNoTrouble) {
  v1::Workload pod = host_.Pod("u1");
  host_.Apply({pod});
  ASSERT_TRUE(host_.RunUntil([&] { return host_.IsReady("u1"); }));
  const int conditions = host_.Status("u1").conditions_size();
  host_.runtime_host.images["nowhere"].missing = true;
  pod.mutable_containers(0)->set_image("nowhere");
  host_.Apply({pod});
  ASSERT_TRUE(host_.RunUntil([&] { return host_.Status("u1").conditions_size() > conditions; }));
  pod.mutable_containers(0)->set_image("app");
  host_.Apply({pod});
  EXPECT_TRUE(host_.RunUntil([&] { return host_.Status("u1").conditions_size() == conditions; }));
  EXPECT_EQ(host_.runtime_host.StartCount("u1", "main"), 1);
}

TEST_F(PodSupervisorTest, AContainerWhoseConfigurationIsMissingWaitsAlone) {
  v1::Workload pod = host_.Pod("u1");
  *pod.add_containers() = host_.MakeContainer("needy", "app");
  pod.mutable_containers(1)->set_config_error("configmap \"settings\" not found");
  host_.Apply({pod});
  ASSERT_TRUE(host_.RunUntil([&] { return host_.runtime_host.StartCount("u1", "main") == 1; }));
  ASSERT_TRUE(host_.RunUntil([&] {
    return host_.Status("u1").containers(1).state().waiting().reason() == "CreateContainerConfigError";
  }));
  EXPECT_EQ(host_.Status("u1").containers(1).state().waiting().message(), "configmap \"settings\" not found");
  EXPECT_TRUE(host_.RunUntil([&] { return host_.Status("u1").containers(0).state().has_running(); }));
  host_.loop.Advance(seconds(60));
  EXPECT_EQ(host_.runtime_host.StartCount("u1", "needy"), 0);

  pod.mutable_containers(1)->clear_config_error();
  host_.Apply({pod});
  EXPECT_TRUE(host_.RunUntil([&] { return host_.IsReady("u1"); }));
  EXPECT_EQ(host_.runtime_host.StartCount("u1", "main"), 1) << "the other one is not touched";
}

TEST_F(PodSupervisorTest, ProbesDecideReadinessAndRestarts) {
  v1::Workload pod = host_.Pod("u1");
  for (auto* probe : {pod.mutable_containers(0)->mutable_readiness_probe(),
                      pod.mutable_containers(0)->mutable_liveness_probe()}) {
    probe->set_period_seconds(1);
    probe->set_timeout_seconds(1);
    probe->set_failure_threshold(3);
    probe->set_success_threshold(1);
  }
  pod.mutable_containers(0)->mutable_readiness_probe()->mutable_handler()->mutable_tcp_socket()->set_port(80);
  pod.mutable_containers(0)->mutable_liveness_probe()->mutable_handler()->mutable_tcp_socket()->set_port(81);
  host_.prober.Set(80, absl::UnavailableError("connection refused"));
  host_.Apply({pod});
  host_.loop.Advance(seconds(5));
  EXPECT_EQ(host_.Status("u1").phase(), v1::PHASE_RUNNING);
  EXPECT_FALSE(host_.IsReady("u1"));
  host_.prober.Set(80, absl::OkStatus());
  ASSERT_TRUE(host_.RunUntil([&] { return host_.IsReady("u1"); }, seconds(2)));
  host_.prober.Set(81, absl::UnavailableError("connection refused"));
  ASSERT_TRUE(host_.RunUntil([&] { return host_.runtime_host.StartCount("u1", "main") == 2; }, seconds(40)));
}

TEST_F(PodSupervisorTest, RefusesWhatTheHostsOwnerDenies) {
  v1::Workload pod = host_.Pod("u1");
  pod.mutable_containers(0)->mutable_security()->set_privileged(true);
  host_.Apply({pod});
  ASSERT_TRUE(host_.RunUntil([&] { return host_.HasStatus("u1") && host_.Status("u1").has_refused(); }));
  EXPECT_EQ(host_.Status("u1").refused().reason(), "HostPolicyDenied");
  EXPECT_EQ(host_.Status("u1").refused().field(), "spec.containers[0].securityContext.privileged");
  host_.loop.Advance(seconds(60));
  EXPECT_TRUE(host_.runtime_host.sandboxes().empty());
  host_.Stop("u1", 30);
  EXPECT_TRUE(host_.RunUntil([&] { return host_.Status("u1").gone(); }));
}

TEST_F(PodSupervisorTest, RuntimeOutagesAndLostEventsOnlyDelay) {
  host_.Apply({host_.Pod("u1")});
  host_.loop.Advance(milliseconds(55));
  host_.runtime_host.Restart(seconds(5));
  ASSERT_TRUE(host_.RunUntil([&] { return host_.IsReady("u1"); }));
  EXPECT_TRUE(host_.runtime_host.violations().empty());
  host_.runtime_host.LoseEvents(true);
  host_.runtime_host.Kill(host_.runtime_host.Running("u1").at("main"), 7);
  ASSERT_TRUE(host_.RunUntil([&] { return host_.Status("u1").containers(0).restart_count() == 1; },
                             std::chrono::minutes(6)));
}

TEST_F(PodSupervisorTest, ActiveDeadlineEndsThePod) {
  v1::Workload pod = host_.Pod("u1");
  pod.set_active_deadline_seconds(20);
  host_.Apply({pod});
  ASSERT_TRUE(host_.RunUntil([&] { return host_.IsReady("u1"); }));
  ASSERT_TRUE(host_.RunUntil([&] { return host_.Status("u1").phase() == v1::PHASE_FAILED; }, seconds(25)));
  EXPECT_EQ(host_.Status("u1").reason(), "DeadlineExceeded");
  EXPECT_TRUE(host_.runtime_host.Running("u1").empty());
}

TEST_F(PodSupervisorTest, AClockThatIsSetEndsNoPodBeforeItsTime) {
  v1::Workload pod = host_.Pod("u1");
  pod.set_active_deadline_seconds(300);
  host_.Apply({pod});
  ASSERT_TRUE(host_.RunUntil([&] { return host_.IsReady("u1"); }));
  host_.clock.Jump(std::chrono::hours(24 * 30));
  // Another manifest makes it look at the workload again.
  (*pod.mutable_containers(0)->mutable_env()->Add()).set_name("NEW");
  host_.Apply({pod});
  host_.loop.Advance(seconds(60));
  EXPECT_EQ(host_.Status("u1").phase(), v1::PHASE_RUNNING);
  EXPECT_TRUE(host_.RunUntil([&] { return host_.Status("u1").phase() == v1::PHASE_FAILED; }, seconds(300)));
}

TEST_F(PodSupervisorTest, CredentialsGoWithTheirPod) {
  const auto arrives = [&](const std::string& uid) {
    v1::StoredCredential credential;
    credential.set_uid(uid);
    credential.set_name("token");
    AgentStore::Batch batch;
    batch.credentials.push_back(credential);
    host_.store.Commit(std::move(batch), [](const absl::Status&) {});
    host_.loop.Advance(seconds(1));
    host_.agent->OnCredentialStored(credential);
    host_.loop.Advance(seconds(1));
    host_.store.Crash();
    return host_.store.loaded().credentials.size();
  };
  host_.Apply({host_.Pod("u1")});
  ASSERT_TRUE(host_.RunUntil([&] { return host_.IsReady("u1"); }));
  EXPECT_EQ(arrives("u1"), 1U);
  EXPECT_EQ(arrives("u2"), 1U) << "one that came too late is not kept for ever";
}

TEST_F(PodSupervisorTest, FullDiskReportsNothingThatIsNotDurable) {
  host_.Apply({host_.Pod("u1")});
  ASSERT_TRUE(host_.RunUntil([&] { return host_.IsReady("u1"); }));
  host_.store.SetDiskFull(true);
  host_.runtime_host.Kill(host_.runtime_host.Running("u1").at("main"), 7);
  host_.loop.Advance(seconds(3));
  EXPECT_EQ(host_.Status("u1").containers(0).restart_count(), 0);
  host_.store.SetDiskFull(false);
  EXPECT_TRUE(host_.RunUntil([&] { return host_.Status("u1").containers(0).restart_count() == 1; }));
}

// ---- The host's addresses come and go

/// A pod "u1" on the host's network, asked every second whether it is alive and ready; twice "no" restarts
/// it.
class HostNetworkProbesTest : public ::testing::Test {
 protected:
  static constexpr std::int32_t kPort = 8080;

  void Run(std::set<std::string> listens) {
    host_.prober.ListenAt(kPort, std::move(listens));
    v1::Workload pod = host_.Pod("u1");
    pod.set_host_network(true);
    v1::Container& container = *pod.mutable_containers(0);
    for (v1::Probe* probe : {container.mutable_liveness_probe(), container.mutable_readiness_probe()}) {
      probe->set_period_seconds(1);
      probe->set_timeout_seconds(1);
      probe->set_failure_threshold(2);
      probe->mutable_handler()->mutable_http_get()->set_port(kPort);
    }
    host_.Apply({pod});
    ASSERT_TRUE(host_.RunUntil([&] { return host_.IsReady("u1"); }));
  }
  void SetAddresses(std::set<std::string> addresses) {
    addresses.insert("127.0.0.1");
    host_.addresses = std::move(addresses);
  }
  [[nodiscard]] int Starts() const { return host_.runtime_host.StartCount("u1", "main"); }

  PodHost host_;
};

TEST_F(HostNetworkProbesTest, AHostThatLosesItsAddressRestartsNothing) {
  Run({"192.0.2.1", "127.0.0.1"});
  SetAddresses({});
  host_.prober.ListenAt(kPort, {"127.0.0.1"});
  host_.loop.Advance(minutes(5));
  EXPECT_EQ(Starts(), 1);
  EXPECT_TRUE(host_.IsReady("u1"));
  EXPECT_EQ(host_.prober.host_header(), "192.0.2.1:8080") << "the name that the server knows";
  EXPECT_EQ(host_.Status("u1").host_ip(), "192.0.2.1") << "shown until there is another";

  // Another lease.
  SetAddresses({"192.0.2.99"});
  host_.prober.ListenAt(kPort, {"192.0.2.99", "127.0.0.1"});
  host_.agent->SetHostIp("192.0.2.99");
  host_.loop.Advance(minutes(5));
  EXPECT_EQ(Starts(), 1);
  EXPECT_TRUE(host_.IsReady("u1"));
  EXPECT_EQ(host_.Status("u1").host_ip(), "192.0.2.99");
  ASSERT_EQ(host_.Status("u1").pod_ips_size(), 1);
  EXPECT_EQ(host_.Status("u1").pod_ips(0), "192.0.2.99");

  // Where it has answered it can fail.
  host_.prober.ListenAt(kPort, {});
  EXPECT_TRUE(host_.RunUntil([&] { return Starts() == 2; }, seconds(10)));
}

TEST_F(HostNetworkProbesTest, WhoListensAtTheLostAddressAloneIsNotReadyAndNotRestarted) {
  Run({"192.0.2.1"});
  SetAddresses({});
  host_.prober.ListenAt(kPort, {});
  host_.loop.Advance(minutes(5));
  EXPECT_FALSE(host_.IsReady("u1"));
  SetAddresses({"192.0.2.99"});
  host_.agent->SetHostIp("192.0.2.99");
  host_.loop.Advance(minutes(5));
  EXPECT_FALSE(host_.IsReady("u1"));
  SetAddresses({"192.0.2.1"});
  host_.prober.ListenAt(kPort, {"192.0.2.1"});
  host_.agent->SetHostIp("192.0.2.1");
  EXPECT_TRUE(host_.RunUntil([&] { return host_.IsReady("u1"); }, seconds(5)));
  EXPECT_EQ(Starts(), 1);
}

TEST_F(HostNetworkProbesTest, WhereTheDefaultRouteLeadsElsewhereTheServiceIsStillWhereItWas) {
  Run({"192.0.2.1"});
  SetAddresses({"192.0.2.1", "198.51.100.7"});
  host_.agent->SetHostIp("198.51.100.7");
  host_.loop.Advance(minutes(1));
  EXPECT_EQ(Starts(), 1);
  EXPECT_TRUE(host_.IsReady("u1"));
}

TEST_F(HostNetworkProbesTest, ACheckUnderWayWhenTheAddressGoesSaysNothing) {
  Run({"192.0.2.1", "127.0.0.1"});
  // One has failed, and the next would be the last.
  host_.prober.Set(kPort, absl::FailedPreconditionError("busy"));
  host_.loop.Advance(seconds(1));
  host_.prober.Set(kPort, absl::OkStatus());
  host_.prober.Hang(kPort);
  const int checks = host_.prober.checks();
  ASSERT_TRUE(host_.RunUntil([&] { return host_.prober.checks() > checks + 1; }, seconds(2)));
  host_.loop.Advance(milliseconds(100));
  SetAddresses({});
  host_.prober.Hang(kPort, false);
  host_.loop.Advance(minutes(1));
  EXPECT_EQ(Starts(), 1);
}

TEST_F(HostNetworkProbesTest, AServiceThatHangsIsRestartedThoughTheHostHasNoAddress) {
  Run({"192.0.2.1", "127.0.0.1"});
  SetAddresses({});
  host_.prober.Hang(kPort);
  EXPECT_TRUE(host_.RunUntil([&] { return Starts() == 2; }, seconds(10)));
}

TEST_F(PodSupervisorTest, AnAdoptedContainerIsCheckedAtItsPodsAddressThoughThatIsLearntLate) {
  v1::Workload pod = host_.Pod("u1");
  v1::Probe& probe = *pod.mutable_containers(0)->mutable_liveness_probe();
  probe.set_period_seconds(1);
  probe.set_failure_threshold(1);
  probe.mutable_handler()->mutable_tcp_socket()->set_port(80);
  host_.Apply({pod});
  ASSERT_TRUE(host_.RunUntil([&] { return host_.IsReady("u1"); }));
  host_.prober.ListenAt(80, {host_.Status("u1").pod_ips(0)});
  host_.Kill();
  host_.runtime_host.Fail("GetSandbox", absl::DeadlineExceededError("stalled"), 3);
  host_.StartAgent();
  host_.loop.Advance(seconds(30));
  EXPECT_TRUE(host_.IsReady("u1"));
  EXPECT_EQ(host_.runtime_host.StartCount("u1", "main"), 1);
}

}  // namespace
}  // namespace slicelet::agent
