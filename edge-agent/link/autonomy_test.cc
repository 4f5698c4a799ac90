#include "edge-agent/link/autonomy.h"

#include <gtest/gtest.h>

#include "edge-agent/link/testing/hub_session_fixture.h"

namespace slicelet::agent {
namespace {

using std::chrono::minutes;
using AutonomyTest = HubSessionFixture;

TEST_F(AutonomyTest, StopsWhatMayHaveBeenPlacedElsewhere) {
  Settle();
  auto manifest = Manifest(1, 2, {"short", "forever"});
  manifest.mutable_deployments(0)->set_autonomy(Duration(minutes(10)).count());
  Say(Signed(manifest));
  link_.SetRefused("gw-1", true);
  link_.Break("gw-1");
  Run(minutes(9));
  EXPECT_FALSE(runner_->applied.back().deployments(0).has_stop());
  Run(minutes(2));
  EXPECT_TRUE(runner_->applied.back().deployments(0).has_stop());
  EXPECT_FALSE(runner_->applied.back().deployments(1).has_stop());
}

}  // namespace
}  // namespace slicelet::agent
