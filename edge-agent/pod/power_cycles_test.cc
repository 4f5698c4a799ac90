// How long containers wait after the host was off, and after their own crashes.
#include <gtest/gtest.h>

#include "edge-agent/pod/testing/pod_host.h"

namespace slicelet::agent {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

class PowerCycles : public ::testing::Test {
 protected:
  /// Power off and on, with an agent.
  void Cycle() {
    host_.Reboot();
    host_.StartAgent();
  }
  void RestartAgent() {
    host_.Kill();
    host_.StartAgent();
  }
  std::size_t Starts() { return host_.runtime_host.starts().size(); }
  bool UntilReady(Duration limit) {
    return host_.RunUntil([&] { return host_.IsReady("u1"); }, limit);
  }
  /// Four crashes a second after the start each: the fifth start is at 74 s, and runs.
  void CrashFourTimes() {
    host_.runtime_host.images["app"].exits_after = seconds(1);
    host_.runtime_host.images["app"].exit_code = 1;
    host_.Apply({host_.Pod("u1")});
    ASSERT_TRUE(host_.RunUntil([&] { return Starts() == 5; }, seconds(100)));
  }

  PodHost host_;
};

TEST_F(PowerCycles, SoonAfterEveryStartAreNoCrashes) {
  host_.Apply({host_.Pod("u1")});
  ASSERT_TRUE(UntilReady(seconds(2)));
  for (int i = 0; i < 8; ++i) {
    host_.loop.Advance(seconds(60));
    Cycle();
    ASSERT_TRUE(UntilReady(seconds(2))) << "power cycle " << i;
  }
  EXPECT_EQ(host_.Status("u1").containers(0).restart_count(), 8);
}

TEST_F(PowerCycles, OfAHostWithoutAClockOfItsOwnAreNoCrashes) {
  host_.Apply({host_.Pod("u1")});
  ASSERT_TRUE(UntilReady(seconds(2)));
  for (int i = 0; i < 8; ++i) {
    host_.loop.Advance(seconds(60));
    host_.clock.Jump(-hours(24 * 30));
    Cycle();
    ASSERT_TRUE(UntilReady(seconds(2))) << "power cycle " << i;
    host_.loop.Advance(seconds(5));
    // The time is there.
    host_.clock.Jump(hours(24 * 30));
  }
}

TEST_F(PowerCycles, AreForgivenThoughTheAgentDiesAtItsFirstStart) {
  CrashFourTimes();
  host_.runtime_host.images["app"].exits_after.reset();
  host_.Reboot();
  for (int i = 0; i < 3; ++i) {
    host_.StartAgent();
    host_.Kill();
  }
  host_.StartAgent();
  EXPECT_TRUE(UntilReady(seconds(2)));
}

TEST_F(PowerCycles, ACrashLoopWaitsOnOverRestartsOfTheAgent) {
  CrashFourTimes();
  // It runs: nothing but its record tells of its crashes.
  RestartAgent();
  host_.loop.Advance(seconds(40));
  RestartAgent();
  host_.loop.Advance(seconds(35));
  EXPECT_EQ(Starts(), 5U);
  EXPECT_TRUE(host_.RunUntil([&] { return Starts() == 6; }, seconds(10)));
}

TEST_F(PowerCycles, ACrashLoopThatWaitedWhenTheHostWentOffWaitsOn) {
  CrashFourTimes();
  host_.loop.Advance(seconds(6));
  Cycle();
  host_.loop.Advance(seconds(70));
  EXPECT_EQ(Starts(), 5U);
  EXPECT_TRUE(host_.RunUntil([&] { return Starts() == 6; }, seconds(10)));
}

}  // namespace
}  // namespace slicelet::agent
