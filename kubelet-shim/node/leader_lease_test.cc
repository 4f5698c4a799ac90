#include "kubelet-shim/node/leader_lease.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/testing/fake_clock.h"
#include "common/loop/testing/sim_loop.h"
#include "kube/object.h"
#include "kube/testing/memory_kube_api.h"

namespace slicelet::shim {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

class LeaderLeaseTest : public testing::Test {
 protected:
  std::unique_ptr<LeaderLease> Make(const std::string& identity) {
    auto lease = std::make_unique<LeaderLease>(
        LeaderLease::Options{"hub", "slicelet-h", identity, seconds(15)}, loop, clock, random, *api,
        LeaderLease::Handler{
            [this, identity](std::uint64_t n) { story.push_back(identity + " leads " + std::to_string(n)); },
            [this, identity](const std::string&) { story.push_back(identity + " lost"); }});
    lease->Start();
    return lease;
  }
  std::int64_t Transitions() {
    return kube::IntegerAt(*server.cluster().Peek(kube::kLeases, "hub", "slicelet-h"),
                           {"spec", "leaseTransitions"}, 0);
  }

  SimLoop loop;
  FakeClock clock{loop};
  SeededRandom random{5};
  kube::MemoryApiServer server{loop, clock, random};
  std::unique_ptr<kube::KubeApi> api = server.ApiAs("shim");
  std::vector<std::string> story;
};

TEST_F(LeaderLeaseTest, TheFirstLeadsAndTheSecondWaits) {
  const auto a = Make("a");
  loop.RunReady();
  const auto b = Make("b");
  loop.Advance(std::chrono::minutes(10));
  EXPECT_THAT(story, ElementsAre("a leads 1"));
}

TEST_F(LeaderLeaseTest, ADeadLeaderIsFollowedAfterItsDuration) {
  auto a = Make("a");
  loop.RunReady();
  a.reset();
  const auto b = Make("b");
  loop.Advance(seconds(14));
  EXPECT_FALSE(b->held());
  loop.Advance(seconds(4));
  EXPECT_THAT(story, ElementsAre("a leads 1", "b leads 2"));
}

TEST_F(LeaderLeaseTest, TheSameShimRestartedLeadsAtOnceUnderANewIncarnation) {
  auto a = Make("a");
  loop.RunReady();
  a = nullptr;
  a = Make("a");
  loop.RunReady();
  EXPECT_THAT(story, ElementsAre("a leads 1", "a leads 2"));
}

TEST_F(LeaderLeaseTest, ReleaseNeedsNoWait) {
  const auto a = Make("a");
  loop.RunReady();
  const auto b = Make("b");
  loop.Advance(seconds(1));
  bool done = false;
  a->Release([&] { done = true; });
  loop.Advance(seconds(3));
  EXPECT_TRUE(done);
  EXPECT_THAT(story, ElementsAre("a leads 1", "b leads 2"));
}

TEST_F(LeaderLeaseTest, StopsLeadingBeforeAnotherCanStart) {
  const auto a = Make("a");
  loop.RunReady();
  server.SetDown(true);
  loop.Advance(seconds(11));
  EXPECT_THAT(story, ElementsAre("a leads 1", "a lost"));
  server.SetDown(false);
  loop.Advance(seconds(5));
  EXPECT_THAT(story, ElementsAre("a leads 1", "a lost", "a leads 2"));
}

TEST_F(LeaderLeaseTest, AShortOutageChangesNothing) {
  const auto a = Make("a");
  loop.Advance(seconds(30));
  server.SetDown(true);
  loop.Advance(seconds(6));
  server.SetDown(false);
  loop.Advance(std::chrono::minutes(5));
  EXPECT_THAT(story, ElementsAre("a leads 1"));
}

TEST_F(LeaderLeaseTest, ALostAnswerIsNoLostLease) {
  const auto a = Make("a");
  loop.RunReady();
  server.faults().after = [](const kube::KubeCall& call, const absl::Status&) {
    return call.verb == kube::Verb::kUpdate ? absl::UnavailableError("reset") : absl::OkStatus();
  };
  loop.Advance(seconds(4));
  server.faults().after = nullptr;
  loop.Advance(std::chrono::minutes(1));
  EXPECT_THAT(story, ElementsAre("a leads 1"));
}

TEST_F(LeaderLeaseTest, ADeletedOrRestoredLeaseNeverLeadsBack) {
  const auto backup = server.cluster().TakeSnapshot();
  const auto a = Make("a");
  loop.RunReady();
  ASSERT_TRUE(server.cluster().Delete("admin", {kube::kLeases, "hub", "slicelet-h", ""}, {}).ok());
  loop.Advance(seconds(10));
  EXPECT_EQ(Transitions(), 2);
  server.Restore(backup);
  loop.Advance(seconds(10));
  EXPECT_EQ(Transitions(), 3);
}

TEST_F(LeaderLeaseTest, ClocksOfOthersDoNotMatter) {
  const auto a = Make("a");
  loop.RunReady();
  clock.Jump(std::chrono::hours(24));
  const auto b = Make("b");
  loop.Advance(seconds(60));
  EXPECT_THAT(story, ElementsAre("a leads 1"));
}

}  // namespace
}  // namespace slicelet::shim
