// The first manifest of a host whose disk was replaced: what it waits for, and for how long.
#include "provider/hub/testing/fleet_fixture.h"

namespace slicelet::provider {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

/// gw-1 alone, with a node of its own.
class HubAmnesiaTest : public HubFixture {
 protected:
  void SetMaintenance() {
    api_->Patch({kube::kEdgeHosts, "slicelet", "gw-1", ""}, kube::PatchType::kMerge,
                {{"spec", {{"maintenance", true}}}},
                [](const absl::StatusOr<kube::Json>& result) { EXPECT_TRUE(result.ok()); });
    Settle();
  }
  /// The host comes back with an empty disk.
  void ReplaceDisk() {
    host_.Disconnect();
    host_.Forget("a nonce");
    before_ = host_.taken;
    host_.Connect();
    Settle();
  }
  void Runs(const std::vector<std::string>& uids) {
    host_.ReportUnexplained(uids);
    Settle();
  }

  int before_ = 0;
};

class MaintenanceTest : public HubAmnesiaTest {
 protected:
  void SetUp() override {
    ConnectAll();
    Apply("u1");
    SetMaintenance();
    Apply("waits");
    ASSERT_EQ(host_.Find("waits"), nullptr);
  }
};

TEST_F(MaintenanceTest, AHostGetsItsPodsAlthoughOneWaitsForTheEndOfIt) {
  ReplaceDisk();
  EXPECT_EQ(host_.taken, before_) << "it has yet to say what runs there";
  Runs({});
  EXPECT_EQ(host_.taken, before_ + 1);
  EXPECT_NE(host_.Find("u1"), nullptr);
  EXPECT_EQ(host_.Find("waits"), nullptr);
}

TEST_F(MaintenanceTest, AHostThatRunsAPodOfWhichNoManifestTellsIsSparedOneWithoutIt) {
  ReplaceDisk();
  Runs({"waits"});
  EXPECT_EQ(host_.taken, before_);
}

TEST_F(MaintenanceTest, ABirthThatComesTwiceTakesNothingBackOfWhatTheHostSaid) {
  RestartHub();
  ReplaceDisk();
  Runs({"u1"});
  v1::HostMessage again;
  again.mutable_birth()->set_host_id("gw-1");
  again.mutable_birth()->set_amnesiac(true);
  again.mutable_birth()->set_nonce("a nonce");
  host_.Send(again);
  Settle();
  ConnectShim();
  Apply("u1");
  Apply("waits");
  Synced({"u1", "waits"});
  EXPECT_EQ(host_.taken, before_ + 1);
}

/// u1 and u2 run, and the hub is back from a copy of before u2. The shim has listed the pods.
class OldHubTest : public HubAmnesiaTest {
 protected:
  void ComesBack(const std::vector<std::string>& listed) {
    ConnectAll();
    Apply("u1");
    ComeBackFromBefore("u2");
    ConnectShim();
    Apply("u1");
    Synced(listed);
    ReplaceDisk();
  }
};

TEST_F(OldHubTest, AHostIsHeardBeforeItsManifestEndsWhatBothHaveForgotten) {
  ComesBack({"u1"});
  loop_.Advance(seconds(20));
  EXPECT_EQ(host_.taken, before_) << "it has yet to say what runs there";
  Runs({"u1", "u2"});
  loop_.Advance(minutes(9));
  EXPECT_EQ(host_.taken, before_);
  loop_.Advance(minutes(2));
  EXPECT_EQ(host_.taken, before_ + 1);
}

TEST_F(OldHubTest, AHostWhoseRuntimeDoesNotAnswerIsWaitedForForHalfAMinute) {
  ComesBack({"u1"});
  loop_.Advance(seconds(31));
  EXPECT_EQ(host_.taken, before_ + 1);
}

TEST_F(OldHubTest, APodThatIsListedAndCanNotBeShownRunsOn) {
  // A ConfigMap that it names was deleted after it had started.
  ComesBack({"u1", "u2"});
  Runs({"u1", "u2"});
  loop_.Advance(minutes(30));
  EXPECT_EQ(host_.taken, before_) << "it would end u2";
  ASSERT_EQ(NodeReport()->conditions_size(), 1);
  EXPECT_EQ(NodeReport()->conditions(0).reason(), "UnappliedPodsRun");

  Apply("u2");
  EXPECT_EQ(host_.taken, before_ + 1);
  ASSERT_NE(host_.Find("u2"), nullptr);
  EXPECT_FALSE(host_.Find("u2")->has_stop());
}

TEST_F(OldHubTest, APodThatCanNotBeShownEndsWhenItIsDeleted) {
  ComesBack({"u1", "u2"});
  Runs({"u1", "u2"});
  ASSERT_EQ(host_.taken, before_);
  Stop("u2", 4);
  EXPECT_EQ(host_.taken, before_ + 1);
  ASSERT_NE(host_.Find("u2"), nullptr);
  EXPECT_EQ(host_.Find("u2")->stop().grace_seconds(), 4);
}

TEST_F(OldHubTest, APodThatCouldNotBeShownAndIsListedNoMoreEndsAfterAsLongAsOthers) {
  ComesBack({"u1", "u2"});
  Runs({"u1", "u2"});
  loop_.Advance(minutes(30));
  Synced({"u1"}, 101);
  loop_.Advance(minutes(9));
  EXPECT_EQ(host_.taken, before_);
  loop_.Advance(minutes(2));
  EXPECT_EQ(host_.taken, before_ + 1);
}

using FleetAmnesiaTest = FleetFixture;

TEST_F(FleetAmnesiaTest, AHostInMaintenanceGetsItsPodsAlthoughOneWaitsForAPlaceThere) {
  ConnectFleet();
  ApplyFleet("old", kube::Json::object(), HostPort(8'080));
  Ready(host_, "old");
  Stop("old", 30);
  ApplyFleet("new", kube::Json::object(), HostPort(8'080));
  ASSERT_EQ(Has("new"), "") << "its port is not free yet";
  PatchHost("gw-1", {{"maintenance", true}});
  host_.Disconnect();
  host_.Forget("a nonce");
  const int before = host_.taken;
  host_.Connect();
  Settle();
  host_.ReportUnexplained({"old"});
  loop_.Advance(seconds(1));
  EXPECT_EQ(host_.taken, before + 1);
  EXPECT_EQ(Has("old"), "1x2x3x");
}

TEST_F(FleetAmnesiaTest, WhatOnlyAnOldCopyOfTheStoreHasThereHoldsNoPlace) {
  const kube::Json low = {{"slicelet.io/priority", "1"}};
  const kube::Json high = {{"slicelet.io/priority", "2"}};
  ConnectFleet();
  ApplyFleet("old", low, HostPort(8'080));
  Ready(host_, "old");
  const MemoryHubStore::State copy = store_.CopyState();
  ApplyFleet("new", high, HostPort(8'080));
  Gone(host_, "old");
  Wait();
  ASSERT_NE(host_.Find("new"), nullptr);
  hub_.reset();
  store_.Restore(copy);
  RestartHub();
  ConnectShim();
  Say(FleetApply("old", low, HostPort(8'080)));
  Say(FleetApply("new", high, HostPort(8'080)));
  SyncFleet({"old", "new"});
  host_.Forget("a nonce");
  host_.Connect();
  Settle();
  host_.ReportUnexplained({"new"});
  // Longer than a first manifest is kept back for want of content.
  loop_.Advance(minutes(1));
  ASSERT_NE(host_.Find("new"), nullptr) << "its container would be ended";
  EXPECT_FALSE(host_.Find("new")->has_stop());
}

TEST_F(FleetAmnesiaTest, APodThatCouldNotBeShownAndIsNotForTheHostKeepsNothingBackOnceItIs) {
  Tag("gw-1", "north");
  ConnectFleet();
  const MemoryHubStore::State old = store_.CopyState();
  ApplyFleet("u1");
  ASSERT_EQ(Has("u1"), "123");
  hub_.reset();
  store_.Restore(old);
  RestartHub();
  third_.Forget("a nonce");
  const int before = third_.taken;
  ConnectHost(host_);
  ConnectHost(second_);
  third_.Connect();
  ConnectShim();
  SyncFleet({"u1"});
  third_.ReportUnexplained({"u1"});
  loop_.Advance(minutes(30));
  EXPECT_EQ(third_.taken, before);
  ApplyFleet("u1", Condition("tags.site = 'north'"));
  EXPECT_EQ(third_.taken, before + 1);
  EXPECT_EQ(Has("u1"), "12x");
}

}  // namespace
}  // namespace slicelet::provider
