#include "edge-agent/link/heartbeat.h"

#include <gtest/gtest.h>

#include "common/loop/testing/sim_loop.h"

namespace slicelet::agent {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;

class HeartbeatTest : public testing::Test {
 protected:
  HeartbeatTest() {
    heartbeat_.SetInterval(minutes(1));
    heartbeat_.Heard();
    heartbeat_.HeardTime();
    heartbeat_.Schedule(Duration::zero());
  }
  bool IsAskedFor(int answers) {
    return loop_.RunUntil([&] { return asked_ == answers || silent_; }, minutes(10)) && !silent_;
  }

  SimLoop loop_;
  int asked_ = 0;
  bool silent_ = false;
  Heartbeat heartbeat_{loop_,
                       {.due =
                            [this](bool want_ack) {
                              asked_ += want_ack ? 1 : 0;
                              // No machine is exactly in time.
                              loop_.RunAfter(milliseconds(5),
                                             [this] { heartbeat_.Schedule(Duration::zero()); });
                            },
                        .silent = [this] { silent_ = true; }}};
};

TEST_F(HeartbeatTest, OneLostAnswerIsNoSilence) {
  for (int i = 0; i < 5; ++i) {
    asked_ = 0;
    EXPECT_TRUE(IsAskedFor(1));
    EXPECT_TRUE(IsAskedFor(2)) << "an answer may get lost";
    heartbeat_.Heard();
  }
}

TEST_F(HeartbeatTest, AHubThatGivesNoSignOfLifeIsSilent) {
  loop_.Advance(minutes(3));
  EXPECT_FALSE(silent_);
  loop_.Advance(minutes(2));
  EXPECT_TRUE(silent_);
  EXPECT_EQ(asked_, 2);
}

}  // namespace
}  // namespace slicelet::agent
