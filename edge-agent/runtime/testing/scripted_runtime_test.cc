#include "edge-agent/runtime/testing/scripted_runtime.h"

#include <gtest/gtest.h>

#include "common/base/testing/fake_clock.h"
#include "common/loop/testing/sim_loop.h"

namespace slicelet::agent {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class ScriptedRuntimeTest : public ::testing::Test {
 protected:
  ScriptedRuntimeTest()
      : clock_(loop_), host_(loop_, clock_), runtime_(std::make_unique<ScriptedRuntime>(host_)) {
    host_.images["app"].present = true;
    runtime_->OnWakeUp(
        [this](ContainerRuntime::WakeUp wake_up) { wake_ups_.push_back(wake_up.container_id); });
  }

  std::string Sandbox() {
    SandboxConfig config;
    config.uid = "u";
    config.labels[kManagedLabel] = "true";
    std::string id;
    runtime_->RunSandbox(config, [&](absl::StatusOr<std::string> made) { id = made.value(); });
    loop_.Advance(seconds(1));
    return id;
  }

  std::string Start(const std::string& sandbox, std::uint32_t attempt = 0) {
    ContainerConfig config;
    config.name = "c";
    config.attempt = attempt;
    config.image = config.image_name = "app";
    std::string id;
    runtime_->CreateContainer(sandbox, config, {},
                              [&](absl::StatusOr<std::string> made) { id = made.value(); });
    loop_.Advance(milliseconds(100));
    runtime_->StartContainer(id, [](const absl::Status& status) { EXPECT_TRUE(status.ok()) << status; });
    loop_.Advance(milliseconds(100));
    return id;
  }

  SimLoop loop_;
  FakeClock clock_;
  ScriptedHost host_;
  std::unique_ptr<ScriptedRuntime> runtime_;
  std::vector<std::string> wake_ups_;
};

TEST_F(ScriptedRuntimeTest, NothingStartsInASandboxThatIsDead) {
  const std::string sandbox = Sandbox();
  ContainerConfig config;
  config.name = "c";
  config.image = config.image_name = "app";
  std::string id;
  runtime_->CreateContainer(sandbox, config, {},
                            [&](absl::StatusOr<std::string> made) { id = made.value(); });
  loop_.Advance(milliseconds(100));
  host_.KillSandbox(sandbox);
  absl::Status started;
  runtime_->StartContainer(id, [&](const absl::Status& status) { started = status; });
  loop_.Advance(milliseconds(100));
  EXPECT_EQ(started.message(),
            "failed to start container " + id + ": sandbox container " + sandbox + " is not running");
  EXPECT_EQ(host_.containers().at(id).container.phase, ContainerPhase::kExited);
  EXPECT_EQ(host_.containers().at(id).container.reason, "StartError");
}

TEST_F(ScriptedRuntimeTest, ContainersOutliveTheClient) {
  const std::string id = Start(Sandbox());
  runtime_.reset();
  loop_.Advance(seconds(10));
  EXPECT_EQ(host_.Running("u").at("c"), id);
}

TEST_F(ScriptedRuntimeTest, CallUnderWayTakesEffectAfterTheClientDied) {
  SandboxConfig config;
  config.uid = "u";
  runtime_->RunSandbox(config, [](const absl::StatusOr<std::string>&) { FAIL(); });
  runtime_.reset();
  loop_.Advance(seconds(1));
  EXPECT_EQ(host_.sandboxes().size(), 1U);
}

TEST_F(ScriptedRuntimeTest, RebootLeavesExitedContainersAndDeadSandboxes) {
  const std::string sandbox = Sandbox();
  const std::string id = Start(sandbox);
  host_.Reboot();
  EXPECT_EQ(host_.containers().at(id).container.phase, ContainerPhase::kExited);
  EXPECT_EQ(host_.containers().at(id).container.exit_code, 255);
  EXPECT_FALSE(host_.sandboxes().at(sandbox).sandbox.ready);
}

TEST_F(ScriptedRuntimeTest, OutageAnswersUnavailableAndEndsWithAWakeUp) {
  host_.Restart(seconds(5));
  absl::Status answer;
  runtime_->GetInfo([&](const absl::StatusOr<RuntimeInfo>& info) { answer = info.status(); });
  loop_.Advance(seconds(1));
  EXPECT_EQ(answer.code(), absl::StatusCode::kUnavailable);
  wake_ups_.clear();
  loop_.Advance(seconds(5));
  EXPECT_EQ(wake_ups_, std::vector<std::string>{""});
}

TEST_F(ScriptedRuntimeTest, StopWaitsForTheGraceOnlyWhenSigtermIsIgnored) {
  host_.images["app"].ignores_sigterm = true;
  const std::string id = Start(Sandbox());
  bool stopped = false;
  runtime_->StopContainer(id, seconds(30), [&](const absl::Status&) { stopped = true; });
  loop_.Advance(seconds(29));
  EXPECT_FALSE(stopped);
  runtime_->StopContainer(id, seconds(0), [](const absl::Status&) {});
  loop_.Advance(seconds(1));
  EXPECT_TRUE(stopped);
  EXPECT_EQ(host_.containers().at(id).container.exit_code, 137);
}

TEST_F(ScriptedRuntimeTest, SecondRunningInstanceIsAViolation) {
  const std::string sandbox = Sandbox();
  Start(sandbox, 0);
  EXPECT_TRUE(host_.violations().empty());
  Start(sandbox, 1);
  EXPECT_EQ(host_.violations().size(), 1U);
  EXPECT_EQ(host_.StartCount("u", "c"), 2);
}

TEST_F(ScriptedRuntimeTest, RemovalOfARunningContainerDoesNotOvertakeAStart) {
  const std::string sandbox = Sandbox();
  const std::string former = Start(sandbox, 0);
  ContainerConfig config;
  config.name = "c";
  config.attempt = 1;
  config.image = config.image_name = "app";
  std::string next;
  runtime_->CreateContainer(sandbox, config, {},
                            [&](absl::StatusOr<std::string> made) { next = made.value(); });
  loop_.Advance(milliseconds(100));
  runtime_->StartContainer(next, [](const absl::Status&) {});
  runtime_->RemoveContainer(former, [](const absl::Status&) {});
  loop_.Advance(milliseconds(100));
  EXPECT_EQ(host_.violations().size(), 1U);
  EXPECT_EQ(host_.containers().count(former), 0U);
}

TEST_F(ScriptedRuntimeTest, ExitsByItselfAndWakesTheClient) {
  host_.images["app"].exits_after = seconds(2);
  host_.images["app"].exit_code = 3;
  const std::string id = Start(Sandbox());
  wake_ups_.clear();
  loop_.Advance(seconds(3));
  EXPECT_EQ(wake_ups_, std::vector<std::string>{id});
  EXPECT_EQ(host_.containers().at(id).container.exit_code, 3);
}

TEST_F(ScriptedRuntimeTest, PlannedFailureHasNoEffect) {
  host_.Fail("RunSandbox", absl::InternalError("no network"));
  absl::Status answer;
  runtime_->RunSandbox({}, [&](const absl::StatusOr<std::string>& made) { answer = made.status(); });
  loop_.Advance(seconds(1));
  EXPECT_EQ(answer.code(), absl::StatusCode::kInternal);
  EXPECT_TRUE(host_.sandboxes().empty());
}

}  // namespace
}  // namespace slicelet::agent
