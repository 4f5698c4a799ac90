#include <gtest/gtest.h>

#include "edge-agent/pod/pod_record.h"
#include "edge-agent/pod/testing/pod_host.h"

namespace slicelet::agent {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

/// Random kills, reboots, runtime outages, lost events, crashes and changes; then quiet.
class PodFaults : public ::testing::TestWithParam<int> {};

TEST_P(PodFaults, ConvergeWithoutEverRunningAnythingTwice) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    const std::uint64_t number = static_cast<std::uint64_t>(GetParam()) * 1000 + seed;
    SCOPED_TRACE("seed " + std::to_string(number));
    SeededRandom random(number);
    PodHost host;
    host.runtime_host.images["app:2"].pull_time = seconds(2);
    std::vector<v1::Workload> pods;
    for (int i = 0; i < 4; ++i) {
      v1::Workload pod = host.Pod("u" + std::to_string(i));
      pod.set_restart_policy(static_cast<v1::RestartPolicy>(i % 3));
      if (i == 1) pod.mutable_containers(0)->set_image("job");
      if (i == 3) {
        *pod.add_init_containers() = host.MakeContainer("setup", "job");
        v1::Container sidecar = host.MakeContainer("sidecar", "app");
        sidecar.set_sidecar(true);
        *pod.add_init_containers() = sidecar;
      }
      pods.push_back(pod);
    }
    host.Apply(pods);
    bool job_done = false;
    for (int step = 0; step < 40; ++step) {
      host.loop.Advance(milliseconds(random.Below(random.Below(4) == 0 ? 20'000 : 120)));
      if (host.agent && host.Status("u1").phase() == v1::PHASE_SUCCEEDED) job_done = true;
      const int jobs = host.runtime_host.StartCount("u1", "main");
      switch (random.Below(8)) {
        case 0:
          host.Kill();
          host.loop.Advance(milliseconds(random.Below(200)));
          host.StartAgent();
          break;
        case 1:
          host.Reboot();
          host.StartAgent();
          break;
        case 2:
          host.runtime_host.Restart(milliseconds(random.Below(3000)));
          break;
        case 3:
          host.runtime_host.LoseEvents(random.Below(2) == 0);
          break;
        case 4:
          for (const auto& [name, id] : host.runtime_host.Running("u" + std::to_string(random.Below(4)))) {
            host.runtime_host.Kill(id, 9);
          }
          break;
        case 5:
          pods[0].mutable_containers(0)->set_image(random.Below(2) == 0 ? "app" : "app:2");
          host.Apply(pods);
          break;
        case 6:
          if (!host.runtime_host.sandboxes().empty()) {
            host.runtime_host.KillSandbox(host.runtime_host.sandboxes().begin()->first);
          }
          break;
        default:
          host.store.SetDiskFull(random.Below(4) == 0);
          break;
      }
      if (job_done) {
        ASSERT_EQ(host.runtime_host.StartCount("u1", "main"), jobs) << "a finished job ran again";
      }
      ASSERT_TRUE(host.runtime_host.violations().empty()) << host.runtime_host.violations()[0];
    }
    host.store.SetDiskFull(false);
    host.runtime_host.LoseEvents(false);
    host.loop.Advance(minutes(15));
    ASSERT_TRUE(host.runtime_host.violations().empty()) << host.runtime_host.violations()[0];
    EXPECT_TRUE(host.IsReady("u0")) << host.Status("u0").DebugString();
    EXPECT_TRUE(host.IsReady("u3")) << host.Status("u3").DebugString();
    EXPECT_EQ(host.Status("u1").phase(), v1::PHASE_SUCCEEDED) << host.Status("u1").DebugString();
    for (const char* uid : {"u0", "u3"}) {
      EXPECT_EQ(host.runtime_host.Running(uid).count("main"), 1U);
    }
    host.Apply({});
    host.loop.Advance(minutes(2));
    EXPECT_TRUE(host.runtime_host.sandboxes().empty());
    EXPECT_TRUE(host.store.records().empty());
    if (HasFailure()) return;
  }
}

/// The runtime dies at every moment of a start and is back after another time: what it made meanwhile and
/// could not tell of is found before long, and not only by the repair of every few minutes.
TEST(RuntimeOutage, LeavesNothingThatNobodyKnows) {
  for (const bool leaves : {false, true}) {
    for (int dies = 0; dies <= 200; dies += 20) {
      for (int back = 0; back <= 2000; back += 50) {
        SCOPED_TRACE("dies after " + std::to_string(dies) + " ms, back after " + std::to_string(back) +
                     " ms" + (leaves ? ", and then the pod leaves" : ""));
        PodHost host;
        // Past the list that repairs what the agent's own start may have left.
        host.loop.Advance(minutes(1));
        host.Apply({host.Pod("u1")});
        host.loop.Advance(milliseconds(dies));
        // That it is back shows at the next call alone.
        host.runtime_host.LoseEvents(true);
        host.runtime_host.Restart(milliseconds(back));
        if (!leaves) {
          host.loop.Advance(seconds(15));
          ASSERT_TRUE(host.IsReady("u1")) << host.Status("u1").DebugString();
          EXPECT_EQ(host.runtime_host.containers().size(), 1U);
          EXPECT_EQ(host.runtime_host.sandboxes().size(), 1U);
        } else {
          host.loop.Advance(milliseconds(dies + 10 * back));
          host.Apply({});
          for (int i = 0; i < 150 && !host.agent->Statuses().empty(); ++i) {
            host.loop.Advance(milliseconds(100));
          }
          EXPECT_TRUE(host.runtime_host.sandboxes().empty()) << "it was said to be gone";
        }
        if (HasFailure()) return;
      }
    }
  }
}

/// A runtime that lists its containers, and does not tell of one of them.
class Unanswered : public ::testing::Test {
 protected:
  void Run(v1::RestartPolicy policy = v1::RESTART_POLICY_ALWAYS) {
    v1::Workload pod = host_.Pod("u1");
    pod.set_restart_policy(policy);
    host_.Apply({pod});
    ASSERT_TRUE(host_.RunUntil([&] { return host_.IsReady("u1"); }));
    id_ = host_.runtime_host.Running("u1").at("main");
  }
  [[nodiscard]] int Starts() const { return host_.runtime_host.StartCount("u1", "main"); }
  void ExpectNothingTwice() const {
    EXPECT_TRUE(host_.runtime_host.violations().empty()) << host_.runtime_host.violations()[0];
  }

  PodHost host_;
  std::string id_;
};

TEST_F(Unanswered, OneQuestionAtTheStartOfTheAgentStartsNothingBesideWhatRuns) {
  for (const auto code : {absl::StatusCode::kDeadlineExceeded, absl::StatusCode::kUnavailable,
                          absl::StatusCode::kUnknown, absl::StatusCode::kResourceExhausted}) {
    PodHost host;
    host.Apply({host.Pod("u1")});
    ASSERT_TRUE(host.RunUntil([&] { return host.IsReady("u1"); }));
    const std::string id = host.Status("u1").containers(0).container_id();
    host.Kill();
    host.runtime_host.Fail("GetContainer", absl::Status(code, "stalled"));
    host.StartAgent();
    EXPECT_TRUE(host.RunUntil([&] { return host.IsReady("u1"); }, seconds(10))) << code;
    host.loop.Advance(minutes(1));
    EXPECT_EQ(host.runtime_host.StartCount("u1", "main"), 1) << code;
    EXPECT_TRUE(host.runtime_host.violations().empty()) << host.runtime_host.violations()[0];
    EXPECT_EQ(host.Status("u1").containers(0).container_id(), id);
  }
}

TEST_F(Unanswered, AllQuestionsForEverLeaveWhatRunsToTheList) {
  Run();
  host_.Kill();
  host_.runtime_host.Mute(id_);
  host_.StartAgent();
  EXPECT_TRUE(host_.RunUntil([&] { return host_.IsReady("u1"); }, seconds(10)));
  EXPECT_GT(host_.Status("u1").containers(0).state().running().started_at(), 0);
  host_.loop.Advance(minutes(20));
  EXPECT_TRUE(host_.IsReady("u1"));
  EXPECT_EQ(Starts(), 1);
  ExpectNothingTwice();
}

TEST_F(Unanswered, AStopWhoseOutcomeIsNeverToldEndsAllTheSame) {
  Run();
  host_.runtime_host.Mute(id_);
  host_.Apply({});
  EXPECT_TRUE(host_.RunUntil([&] { return host_.store.records().empty(); }, minutes(4)));
  EXPECT_TRUE(host_.runtime_host.sandboxes().empty());
}

TEST_F(Unanswered, AnEndWhileTheAgentWasAwayIsWaitedForAndThenHeldUnknown) {
  Run();
  host_.Kill();
  host_.runtime_host.Kill(id_, 3);
  host_.runtime_host.Mute(id_);
  host_.StartAgent();
  host_.loop.Advance(minutes(1));
  EXPECT_EQ(Starts(), 1) << "it may have been a job's success";
  ASSERT_TRUE(host_.RunUntil([&] { return Starts() == 2 && host_.IsReady("u1"); }, minutes(4)));
  const auto& end = host_.Status("u1").containers(0).last_state().terminated();
  EXPECT_EQ(end.reason(), "ContainerStatusUnknown");
  EXPECT_EQ(end.exit_code(), 137);
  ExpectNothingTwice();
}

TEST_F(Unanswered, AnEndThatTheRecordHoldsNeedsNoAnswer) {
  Run(v1::RESTART_POLICY_ON_FAILURE);
  host_.runtime_host.Kill(id_, 0);
  ASSERT_TRUE(host_.RunUntil([&] { return host_.Status("u1").phase() == v1::PHASE_SUCCEEDED; }));
  host_.Kill();
  host_.runtime_host.Mute(id_);
  host_.StartAgent();
  EXPECT_TRUE(host_.RunUntil([&] { return host_.HasStatus("u1"); }, seconds(5)));
  host_.loop.Advance(minutes(10));
  EXPECT_EQ(host_.Status("u1").phase(), v1::PHASE_SUCCEEDED);
  EXPECT_EQ(host_.Status("u1").containers(0).state().terminated().exit_code(), 0);
  EXPECT_EQ(Starts(), 1);
}

TEST_F(Unanswered, AnEndUnderTheAgentsEyesIsTakenFromTheListBeforeLong) {
  Run();
  // Past the list that repairs what the agent's own start may have left.
  host_.loop.Advance(minutes(1));
  host_.runtime_host.Mute(id_);
  host_.runtime_host.Kill(id_, 9);
  EXPECT_TRUE(host_.RunUntil([&] { return Starts() == 2 && host_.IsReady("u1"); }, minutes(4)));
  ExpectNothingTwice();
}

/// A pod "u1", asked every second whether it is alive, of which the runtime loses track.
class LostTrack : public ::testing::Test {
 protected:
  void SetUp() override {
    v1::Workload pod = host_.Pod("u1");
    v1::Probe& probe = *pod.mutable_containers(0)->mutable_liveness_probe();
    probe.set_period_seconds(1);
    probe.set_failure_threshold(2);
    probe.mutable_handler()->mutable_tcp_socket()->set_port(80);
    host_.Apply({pod});
    ASSERT_TRUE(host_.RunUntil([&] { return host_.IsReady("u1"); }));
    id_ = host_.runtime_host.Running("u1").at("main");
  }
  [[nodiscard]] int Starts() const { return host_.runtime_host.StartCount("u1", "main"); }

  PodHost host_;
  std::string id_;
};

TEST_F(LostTrack, TheChecksOfTheLostOneAreNotHeldAgainstItsSuccessor) {
  // Long enough for the former checks to fail meanwhile.
  host_.runtime_host.latency.start = seconds(10);
  host_.runtime_host.LoseTrack(id_);
  host_.prober.Set(80, absl::FailedPreconditionError("nobody"));
  host_.loop.Advance(seconds(8));
  EXPECT_EQ(Starts(), 1);
  host_.prober.Set(80, absl::OkStatus());
  host_.loop.Advance(minutes(2));
  EXPECT_EQ(Starts(), 2);
  EXPECT_TRUE(host_.IsReady("u1"));
}

TEST(BeginAttempt, ForgetsWhatWasHeldAgainstTheFormerOne) {
  PodHost host;
  PodModel pod;
  pod.containers["main"].kill_message = "Container main failed liveness probe, will be restarted";
  BeginAttempt(pod, host.MakeContainer("main", "app"), false, 1, "c2", "sha256:app");
  EXPECT_FALSE(pod.containers["main"].kill_message);
}

TEST_F(LostTrack, OneThatCanNotBeStoppedIsStoppedAgain) {
  host_.runtime_host.Fail("StopContainer", absl::UnknownError("no shim"), 3);
  host_.runtime_host.LoseTrack(id_);
  EXPECT_TRUE(host_.RunUntil([&] { return Starts() == 2 && host_.IsReady("u1"); }, seconds(30)));
}

TEST_F(LostTrack, OneThatIsFoundAgainIsChecked) {
  host_.runtime_host.Fail("StopContainer", absl::UnknownError("no shim"));
  host_.runtime_host.LoseTrack(id_);
  host_.loop.Advance(milliseconds(500));
  host_.runtime_host.LoseTrack(id_, false);
  host_.loop.Advance(seconds(30));
  EXPECT_EQ(Starts(), 1);
  EXPECT_TRUE(host_.IsReady("u1"));
  host_.prober.Set(80, absl::FailedPreconditionError("nobody"));
  EXPECT_TRUE(host_.RunUntil([&] { return Starts() == 2; }, seconds(60)));
}

INSTANTIATE_TEST_SUITE_P(Seeds, PodFaults, ::testing::Range(0, 2));

}  // namespace
}  // namespace slicelet::agent
