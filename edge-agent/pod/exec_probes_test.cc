#include <gtest/gtest.h>

#include <algorithm>
#include <optional>

#include "edge-agent/pod/testing/pod_host.h"

namespace slicelet::agent {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

/// A pod "u1" whose container is asked by a command every second; three failures in a row count.
class ExecProbesTest : public ::testing::Test {
 protected:
  enum class Kind { kReadiness, kLiveness, kStartup };

  void Run(Kind kind) {
    host_.runtime_host.images["app"].exec = [this](const std::vector<std::string>& command) {
      commands_.push_back(command);
      return answer_;
    };
    host_.agent->OnStatusChanged([this](const std::vector<PodUid>&, bool) {
      for (const auto& event : host_.Status("u1").events())
        if (event.reason() == "Unhealthy") unhealthy_.push_back(event.message());
    });
    v1::Workload pod = host_.Pod("u1");
    v1::Container& container = *pod.mutable_containers(0);
    v1::Probe& probe = *(kind == Kind::kReadiness  ? container.mutable_readiness_probe()
                         : kind == Kind::kLiveness ? container.mutable_liveness_probe()
                                                   : container.mutable_startup_probe());
    probe.set_period_seconds(1);
    probe.set_timeout_seconds(1);
    probe.set_failure_threshold(3);
    probe.mutable_handler()->mutable_exec()->add_command("/bin/check");
    probe.mutable_handler()->mutable_exec()->add_command("--fast");
    host_.Apply({pod});
    ASSERT_TRUE(host_.RunUntil([&] { return !commands_.empty(); }));
  }
  [[nodiscard]] int Starts() const { return host_.runtime_host.StartCount("u1", "main"); }
  bool UntilRestarted(Duration limit) {
    return host_.RunUntil([&] { return Starts() == 2; }, limit);
  }

  PodHost host_;
  /// What the command answers; nullopt: nothing before the timeout.
  std::optional<ExecResult> answer_ = ExecResult{};
  std::vector<std::vector<std::string>> commands_;
  std::vector<std::string> unhealthy_;
};

TEST_F(ExecProbesTest, ACommandThatSucceedsMakesThePodReady) {
  Run(Kind::kReadiness);
  EXPECT_EQ(commands_[0], (std::vector<std::string>{"/bin/check", "--fast"}));
  EXPECT_TRUE(host_.RunUntil([&] { return host_.IsReady("u1"); }, milliseconds(10)));
  EXPECT_TRUE(unhealthy_.empty());
}

TEST_F(ExecProbesTest, ACommandThatFailsKeepsThePodFromBeingReadyAndSaysWhy) {
  answer_ = ExecResult{.exit_code = 3, .out = "half ", .err = "broken"};
  Run(Kind::kReadiness);
  host_.loop.Advance(seconds(10));
  EXPECT_FALSE(host_.IsReady("u1"));
  EXPECT_EQ(Starts(), 1);
  ASSERT_FALSE(unhealthy_.empty());
  EXPECT_EQ(unhealthy_[0], "Readiness probe failed: half broken");
  answer_ = ExecResult{.exit_code = 3};
  host_.loop.Advance(milliseconds(1100));
  EXPECT_EQ(unhealthy_.back(), "Readiness probe failed: command exited with 3");
  answer_ = ExecResult{.exit_code = 3, .out = std::string(5000, 'x')};
  host_.loop.Advance(milliseconds(1100));
  EXPECT_EQ(unhealthy_.back(), "Readiness probe failed: " + std::string(1024, 'x'));
  answer_ = ExecResult{};
  EXPECT_TRUE(host_.RunUntil([&] { return host_.IsReady("u1"); }, seconds(2)));
}

TEST_F(ExecProbesTest, ThreeFailuresInARowOfLivenessRestartTheContainer) {
  Run(Kind::kLiveness);
  answer_ = ExecResult{.exit_code = 1};
  host_.loop.Advance(seconds(2));
  answer_ = ExecResult{};
  host_.loop.Advance(seconds(10));
  EXPECT_EQ(unhealthy_.size(), 2U);
  EXPECT_EQ(Starts(), 1) << "two are not enough";
  answer_ = ExecResult{.exit_code = 1};
  EXPECT_TRUE(UntilRestarted(seconds(40)));
}

TEST_F(ExecProbesTest, ACommandThatDoesNotEndFailsAtItsTimeout) {
  Run(Kind::kLiveness);
  answer_.reset();
  EXPECT_TRUE(UntilRestarted(seconds(40)));
  EXPECT_EQ(unhealthy_, std::vector<std::string>(3, "Liveness probe failed: command timed out"))
      << "the last one too, which ends the container";
}

TEST_F(ExecProbesTest, AStartupCommandThatNeverSucceedsRestartsTheContainer) {
  answer_ = ExecResult{.exit_code = 1};
  Run(Kind::kStartup);
  EXPECT_TRUE(UntilRestarted(seconds(40)));
}

TEST_F(ExecProbesTest, ARuntimeThatIsAwaySaysNothingAboutTheContainer) {
  Run(Kind::kLiveness);
  host_.loop.Advance(seconds(2));
  // One is under way when it goes, the others can not be asked.
  answer_.reset();
  host_.loop.Advance(milliseconds(1500));
  host_.runtime_host.SetAvailable(false);
  const auto asked = host_.runtime_host.calls().at("ExecSync");
  host_.loop.Advance(seconds(30));
  EXPECT_GT(host_.runtime_host.calls().at("ExecSync"), asked + 20) << "it is asked on";
  EXPECT_LE(unhealthy_.size(), 1U);
  answer_ = ExecResult{};
  host_.runtime_host.SetAvailable(true);
  host_.loop.Advance(seconds(60));
  EXPECT_EQ(Starts(), 1);
  EXPECT_LE(unhealthy_.size(), 1U);
  answer_ = ExecResult{.exit_code = 1};
  EXPECT_TRUE(UntilRestarted(seconds(40))) << "it is looked at again";
}

TEST_F(ExecProbesTest, ReadinessStandsWhileTheRuntimeIsAway) {
  Run(Kind::kReadiness);
  ASSERT_TRUE(host_.RunUntil([&] { return host_.IsReady("u1"); }));
  host_.runtime_host.SetAvailable(false);
  host_.loop.Advance(seconds(60));
  EXPECT_TRUE(host_.IsReady("u1"));
  answer_ = ExecResult{.exit_code = 1};
  host_.runtime_host.SetAvailable(true);
  EXPECT_TRUE(host_.RunUntil([&] { return !host_.IsReady("u1"); }, seconds(10)));
}

/// Under pressure of pids or memory a runtime can not start the command.
TEST_F(ExecProbesTest, AnErrorOfTheRuntimesOwnSaysNothingAboutTheContainer) {
  Run(Kind::kLiveness);
  host_.loop.Advance(seconds(2));
  std::size_t told = 0;
  for (const auto code :
       {absl::StatusCode::kUnknown, absl::StatusCode::kInternal, absl::StatusCode::kResourceExhausted,
        absl::StatusCode::kNotFound, absl::StatusCode::kFailedPrecondition, absl::StatusCode::kCancelled}) {
    host_.runtime_host.Fail("ExecSync", absl::Status(code, "fork: try again"), 10);
    host_.loop.Advance(seconds(15));
    EXPECT_EQ(Starts(), 1) << code;
    ASSERT_EQ(unhealthy_.size(), ++told) << "told once";
    EXPECT_EQ(unhealthy_.back(), "Liveness probe errored: fork: try again");
  }
  answer_ = ExecResult{.exit_code = 1};
  EXPECT_TRUE(UntilRestarted(seconds(40))) << "what the command says counts";
}

TEST_F(ExecProbesTest, AnErrorOfTheRuntimesOwnDoesNotEndAStart) {
  answer_ = ExecResult{.exit_code = 1};
  Run(Kind::kStartup);
  host_.runtime_host.Fail("ExecSync", absl::ResourceExhaustedError("fork: try again"), 30);
  host_.loop.Advance(seconds(20));
  EXPECT_EQ(Starts(), 1);
  answer_ = ExecResult{};
  EXPECT_TRUE(host_.RunUntil([&] { return host_.IsReady("u1"); }, seconds(20)));
}

TEST_F(ExecProbesTest, ReadinessStandsWhileTheRuntimeAnswersWithErrors) {
  Run(Kind::kReadiness);
  ASSERT_TRUE(host_.RunUntil([&] { return host_.IsReady("u1"); }));
  host_.runtime_host.Fail("ExecSync", absl::InternalError("fork: try again"), 30);
  host_.loop.Advance(seconds(20));
  EXPECT_TRUE(host_.IsReady("u1"));
}

/// A command that the image does not have is such an error, for ever.
TEST_F(ExecProbesTest, AnAdoptedPodIsToldOfThoughItsCommandCanNotBeStarted) {
  for (const Kind kind : {Kind::kReadiness, Kind::kStartup}) {
    PodHost host;
    v1::Workload pod = host.Pod("u1");
    v1::Container& container = *pod.mutable_containers(0);
    v1::Probe& probe =
        *(kind == Kind::kReadiness ? container.mutable_readiness_probe() : container.mutable_startup_probe());
    probe.set_period_seconds(1);
    probe.set_failure_threshold(3);
    probe.mutable_handler()->mutable_exec()->add_command("/bin/absent");
    host.runtime_host.Fail("ExecSync", absl::UnknownError("no such file or directory"), 1'000'000);
    host.Apply({pod});
    ASSERT_TRUE(host.RunUntil([&] { return host.HasStatus("u1"); }));
    host.loop.Advance(seconds(5));
    host.Kill();
    host.StartAgent();
    EXPECT_TRUE(host.RunUntil([&] { return host.HasStatus("u1"); }, seconds(10)));
    EXPECT_FALSE(host.IsReady("u1"));
    host.loop.Advance(minutes(1));
    EXPECT_EQ(host.runtime_host.StartCount("u1", "main"), 1);
  }
}

}  // namespace
}  // namespace slicelet::agent
