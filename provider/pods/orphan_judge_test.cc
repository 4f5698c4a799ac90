#include "provider/pods/orphan_judge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace slicelet::provider {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;
using testing::SizeIs;

class OrphanJudgeTest : public testing::Test {
 protected:
  OrphanJudgeTest() : judge_({}, Node(), {}) {}

  static v1::NodeRecord Node() {
    v1::NodeRecord node;
    node.set_node("gw-1");
    return node;
  }
  static std::vector<OrphanJudge::KnownPod> Known(const std::vector<std::string>& uids) {
    std::vector<OrphanJudge::KnownPod> known;
    for (const std::string& uid : uids) known.push_back({PodUid(uid), "ns", "pod-" + uid});
    return known;
  }
  static v1::Synced List(const std::vector<std::string>& uids, std::uint64_t version = 100,
                         const std::string& cluster = "cluster-a", std::uint64_t lease = 50) {
    v1::Synced synced;
    synced.set_node("gw-1");
    synced.set_cluster_uid(cluster);
    synced.set_list_resource_version(version);
    synced.set_lease_resource_version(lease);
    for (const std::string& uid : uids) synced.add_uids(uid);
    return synced;
  }
  OrphanJudge::Actions Sync(const v1::Synced& synced, const std::vector<std::string>& known,
                            const std::map<PodUid, v1::Evidence>& evidence = {}) {
    return judge_.OnSynced(synced, Known(known), evidence, now_, WallTime(now_.time_since_epoch()));
  }
  OrphanJudge::Actions Confirm(const std::string& uid, bool absent = true,
                               const std::string& cluster = "cluster-a") {
    v1::PodConfirmed confirmed;
    confirmed.set_uid(uid);
    confirmed.set_absent(absent);
    confirmed.set_cluster_uid(cluster);
    return judge_.OnConfirmed(confirmed, now_, WallTime(now_.time_since_epoch()));
  }

  MonotonicTime now_{std::chrono::hours(1)};
  OrphanJudge judge_;
};

TEST_F(OrphanJudgeTest, AMissingPodIsRemovedOnlyAfterTwoConfirmationsTenMinutesApart) {
  EXPECT_THAT(Sync(List({"a"}), {"a", "b"}).confirm, SizeIs(1));
  EXPECT_THAT(Confirm("b").remove, IsEmpty());
  now_ += minutes(9);
  EXPECT_THAT(Confirm("b").remove, IsEmpty()) << "a second answer too early is not the second confirmation";
  EXPECT_THAT(judge_.OnTime(now_).confirm, IsEmpty());
  now_ += minutes(1);
  EXPECT_THAT(judge_.OnTime(now_).confirm, SizeIs(1));
  EXPECT_THAT(Confirm("b").remove, ElementsAre(Pair(PodUid("b"), v1::CONFIRMED_BY_GET)));
  EXPECT_THAT(judge_.Orphans(), IsEmpty());
}

TEST_F(OrphanJudgeTest, AsksAgainWhenNoAnswerComes) {
  Sync(List({"a"}), {"a", "b"});
  ASSERT_TRUE(judge_.NextDue().has_value());
  EXPECT_EQ(*judge_.NextDue(), now_ + seconds(30));
  now_ += seconds(30);
  EXPECT_THAT(judge_.OnTime(now_).confirm, SizeIs(1));
}

TEST_F(OrphanJudgeTest, APodThatAGetFindsOrThatIsShownAgainIsNoOrphan) {
  Sync(List({"a"}), {"a", "b", "c"});
  Confirm("b");
  Confirm("b", /*absent=*/false);
  now_ += minutes(10);
  EXPECT_THAT(Confirm("b").remove, IsEmpty()) << "the count began anew";
  const auto actions = judge_.OnApplied(PodUid("c"));
  ASSERT_EQ(actions.orphans.count(PodUid("c")), 1U);
  EXPECT_FALSE(actions.orphans.at(PodUid("c")).has_value());
}

TEST_F(OrphanJudgeTest, ARestartBeginsTheWaitAnew) {
  Sync(List({"a"}), {"a", "b"});
  const auto actions = Confirm("b");
  OrphanJudge restarted({}, judge_.node(), {{PodUid("b"), *actions.orphans.at(PodUid("b"))}});
  now_ += minutes(10);
  restarted.OnSynced(List({"a"}), Known({"a", "b"}), {}, now_, WallTime{});
  v1::PodConfirmed confirmed;
  confirmed.set_uid("b");
  confirmed.set_absent(true);
  EXPECT_THAT(restarted.OnConfirmed(confirmed, now_, WallTime{}).remove, IsEmpty());
}

struct SuspiciousCase {
  std::string name;
  v1::Synced second;
  std::string reason;
};

class SuspiciousCluster : public OrphanJudgeTest, public testing::WithParamInterface<SuspiciousCase> {
 public:
  static v1::Synced Make(std::uint64_t version, const std::string& cluster, std::uint64_t lease,
                         const std::vector<std::string>& uids = {"a"}) {
    return List(uids, version, cluster, lease);
  }
};

TEST_P(SuspiciousCluster, HoldsWhatIsMissingUntilAnOperatorDecides) {
  Sync(List({"a", "b", "c"}), {"a", "b", "c"});
  const auto actions = Sync(GetParam().second, {"a", "b", "c"}, {{PodUid("b"), v1::ANOTHER_UID}});
  EXPECT_THAT(actions.remove, IsEmpty());
  EXPECT_THAT(actions.confirm, IsEmpty());
  EXPECT_TRUE(actions.node_changed);
  EXPECT_TRUE(judge_.held().status());
  EXPECT_EQ(judge_.held().reason(), GetParam().reason);
  EXPECT_FALSE(judge_.Counts(PodUid("b")));
  EXPECT_TRUE(judge_.Counts(PodUid("a")));
  EXPECT_THAT(Confirm("b").remove, IsEmpty());
  EXPECT_FALSE(judge_.NextDue().has_value());

  EXPECT_THAT(judge_.Decide(PodUid("b"), /*keep=*/false).remove,
              ElementsAre(Pair(PodUid("b"), v1::OPERATOR)));
  EXPECT_TRUE(judge_.held().status());
  judge_.Decide(PodUid("c"), /*keep=*/true);
  EXPECT_FALSE(judge_.held().status());
  // The cluster as it is now is the one to compare with, and what is kept is asked about no more.
  const auto again = Sync(GetParam().second, {"a", "c"});
  EXPECT_FALSE(judge_.held().status());
  EXPECT_THAT(again.confirm, IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(
    Cases, SuspiciousCluster,
    testing::Values(
        SuspiciousCase{"ClusterUid", SuspiciousCluster::Make(101, "cluster-b", 51), "ClusterExchanged"},
        SuspiciousCase{"ListVersion", SuspiciousCluster::Make(99, "cluster-a", 51), "ClusterRestored"},
        SuspiciousCase{"LeaseVersion", SuspiciousCluster::Make(101, "cluster-a", 49), "ClusterRestored"}),
    [](const auto& info) { return info.param.name; });

TEST_F(OrphanJudgeTest, HeldPodsThatAreShownAgainAreReleased) {
  Sync(List({"a", "b"}), {"a", "b"});
  Sync(List({"a"}, 99), {"a", "b"});
  ASSERT_TRUE(judge_.held().status());
  Sync(List({"a", "b"}, 120), {"a", "b"});
  EXPECT_FALSE(judge_.held().status());
  EXPECT_EQ(judge_.node().list_resource_version(), 120U);
}

TEST_F(OrphanJudgeTest, ARestoredClusterThatMissesNothingHoldsNothing) {
  Sync(List({"a"}), {"a"});
  Sync(List({"a"}, 10), {"a"});
  EXPECT_FALSE(judge_.held().status());
  EXPECT_EQ(judge_.node().list_resource_version(), 10U);
}

TEST_F(OrphanJudgeTest, AConfirmationFromAnotherClusterHolds) {
  Sync(List({"a"}), {"a", "b"});
  EXPECT_THAT(Confirm("b", true, "cluster-b").remove, IsEmpty());
  EXPECT_TRUE(judge_.held().status());
}

struct VanishedCase {
  std::string name;
  std::size_t known;
  std::size_t listed;
  bool held;
};

class Vanished : public OrphanJudgeTest, public testing::WithParamInterface<VanishedCase> {};

TEST_P(Vanished, IsHeldWhenHalfOrMoreAndMoreThanThreeAreMissing) {
  std::vector<std::string> known;
  std::vector<std::string> listed;
  for (std::size_t i = 0; i < GetParam().known; ++i) {
    known.push_back("u" + std::to_string(i));
    if (i < GetParam().listed) listed.push_back(known.back());
  }
  const auto actions = Sync(List(listed), known);
  EXPECT_EQ(judge_.held().status(), GetParam().held);
  EXPECT_EQ(actions.confirm.size(), GetParam().held ? 0 : GetParam().known - GetParam().listed);
}

INSTANTIATE_TEST_SUITE_P(Cases, Vanished,
                         testing::Values(VanishedCase{"ThreeOfThree", 3, 0, false},
                                         VanishedCase{"FourOfFour", 4, 0, true},
                                         VanishedCase{"FourOfEight", 8, 4, true},
                                         VanishedCase{"FourOfNine", 9, 5, false}),
                         [](const auto& info) { return info.param.name; });

TEST_F(OrphanJudgeTest, AnotherUidUnderTheNameCountsWithAHealthyList) {
  const auto actions = Sync(List({"a"}), {"a", "b"}, {{PodUid("b"), v1::ANOTHER_UID}});
  EXPECT_THAT(actions.remove, ElementsAre(Pair(PodUid("b"), v1::ANOTHER_UID)));
  EXPECT_THAT(actions.confirm, IsEmpty());
}

TEST_F(OrphanJudgeTest, WhatAHostProvesLaterIsJudgedByTheLastList) {
  EXPECT_THAT(judge_.OnKnown(Known({"x"}), now_, WallTime{}).confirm, IsEmpty()) << "no list yet";
  Sync(List({"a"}), {});
  EXPECT_THAT(judge_.OnKnown(Known({"a", "b"}), now_, WallTime{}).confirm, SizeIs(1));
}

TEST_F(OrphanJudgeTest, NothingIsAskedWithoutAShim) {
  Sync(List({"a"}), {"a", "b"});
  judge_.OnShimGone();
  EXPECT_FALSE(judge_.NextDue().has_value());
  EXPECT_THAT(judge_.OnTime(now_ + minutes(60)).confirm, IsEmpty());
  EXPECT_THAT(Confirm("b").remove, IsEmpty());
  EXPECT_THAT(Sync(List({"a"}), {"a", "b"}).confirm, SizeIs(1));
}

}  // namespace
}  // namespace slicelet::provider
