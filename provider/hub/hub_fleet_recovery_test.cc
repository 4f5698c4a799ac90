// Fleet nodes of a hub whose store was put back from an older copy, and deletions while a host is in doubt.
#include "provider/hub/testing/fleet_fixture.h"

namespace slicelet::provider {
namespace {

/// "old" had a port of gw-1 and gw-2. The hub's store is put back from a copy of that time.
class OlderStoreTest : public FleetFixture {
 protected:
  void SetUp() override {
    Tag("gw-1", "north");
    Tag("gw-2", "north");
    ConnectFleet();
    kube::Json first = Condition("tags.site = 'north'");
    first["slicelet.io/priority"] = "1";
    ApplyFleet("old", first, HostPort(8'080));
    Ready(host_, "old");
    Ready(second_, "old");
    copy_ = store_.CopyState();
  }
  void PutBack() {
    hub_.reset();
    store_.Restore(copy_);
    RestartHub();
  }
  void HostsReturn() {
    for (ScriptedHost* host : {&host_, &second_, &third_}) ConnectHost(*host);
    loop_.Advance(seconds(1));
  }
  /// "old" is not there any more.
  void ShimLists() {
    ConnectShim();
    Say(FleetApply("new", kube::Json::object(), HostPort(8'080)));
    SyncFleet({"new"});
    loop_.Advance(seconds(1));
  }

  MemoryHubStore::State copy_;
};

using FleetRestartTest = FleetFixture;

TEST_F(FleetRestartTest, PodsThatWereDeletedWhileAHostWasAwayAreNotMissing) {
  const std::vector<std::string> uids = {"u1", "u2", "u3", "u4"};
  ConnectFleet();
  for (const std::string& uid : uids) ApplyFleet(uid);
  third_.Disconnect();
  loop_.Advance(seconds(31));
  for (const std::string& uid : uids) {
    Stop(uid, 5);
    Gone(host_, uid);
    Gone(second_, uid);
    ASSERT_TRUE(ToldGone(uid));
  }
  RestartHub();
  for (ScriptedHost* host : {&host_, &second_}) ConnectHost(*host);
  ConnectShim();
  SyncFleet({});
  loop_.Advance(seconds(35));
  EXPECT_EQ(hub_->ListOrphans().orphans_size(), 0);
  EXPECT_FALSE(AskedToConfirm("u1"));
  ASSERT_NE(NodeReport(), nullptr);
  EXPECT_FALSE(NodeReport()->held().status());
  ConnectHost(third_);
  for (const std::string& uid : uids) {
    EXPECT_EQ(Has(uid), "3x");
    Gone(third_, uid);
  }
  loop_.Advance(seconds(2));
  for (const std::string& uid : uids) EXPECT_EQ(Has(uid), "");
}

TEST_F(FleetRestartTest, APodThatOneOfItsHostsKeepsIsMissingWhenNoListShowsIt) {
  Tag("gw-1", "north");
  Tag("gw-2", "north");
  ConnectFleet();
  ApplyFleet("u1", Condition("tags.site = 'north'"));
  Tag("gw-1", "south");
  ASSERT_EQ(Has("u1"), "1x2");
  RestartHub();
  ConnectFleet();
  ASSERT_EQ(hub_->ListOrphans().orphans_size(), 1);
  EXPECT_EQ(hub_->ListOrphans().orphans(0).uid(), "u1");
}

TEST_F(OlderStoreTest, WhatItAloneHoldsIsForgottenOnceAllHostsHaveProvedWhatTheyRun) {
  Stop("old", 1);
  Gone(host_, "old");
  Gone(second_, "old");
  ApplyFleet("new", kube::Json::object(), HostPort(8'080));
  Ready(host_, "new");
  ASSERT_EQ(Has("new"), "123");
  PutBack();
  ShimLists();
  ASSERT_EQ(hub_->ListOrphans().orphans_size(), 1) << "nobody knows better yet";
  HostsReturn();
  EXPECT_EQ(hub_->ListOrphans().orphans_size(), 0);
  EXPECT_EQ(Has("new"), "123");
  EXPECT_EQ(Has("old"), "");
}

TEST_F(OlderStoreTest, WhatItAloneHoldsOfAHostTakesNothingOfWhatThatHostRuns) {
  Tag("gw-1", "south");
  Gone(host_, "old");
  ApplyFleet("new", kube::Json::object(), HostPort(8'080));
  ASSERT_EQ(Has("new"), "13");
  // Its object has vanished from the API server without anybody's asking.
  PutBack();
  HostsReturn();
  ShimLists();
  EXPECT_EQ(Has("new"), "13") << "its port is its own by now";
  EXPECT_EQ(Has("old"), "2") << "where it runs it goes on";
  ASSERT_EQ(hub_->ListOrphans().orphans_size(), 1);
  EXPECT_EQ(hub_->ListOrphans().orphans(0).uid(), "old");
}

/// A job that gw-1 and gw-2 have and the hub's store, put back from a copy, knows nothing of. gw-1 is done
/// with it, and gw-2 has not been heard since.
class ForgottenJobTest : public FleetFixture {
 protected:
  void SetUp() override {
    ConnectFleet();
    const MemoryHubStore::State copy = store_.CopyState();
    Say(Job());
    Wait();
    ASSERT_EQ(Has("job"), "12");
    hub_.reset();
    store_.Restore(copy);
    RestartHub();
    ConnectHost(host_);
    ConnectShim();
    Say(Job());
    SyncFleet({"job"});
    Ended(host_, "job", v1::PHASE_SUCCEEDED);
    loop_.Advance(minutes(30));
    ASSERT_EQ(ReportOf("job")->status().phase(), v1::PHASE_RUNNING);
    EXPECT_THAT(Fleet("job"), testing::EndsWith("it may run on hosts not heard since the hub started: gw-2"));
  }
  v1::ShimMessage Job() {
    return FleetApply("job", Condition("properties.reported.agentVersion = 'test' AND hostId != 'gw-3'"),
                      {{"spec", {{"restartPolicy", "Never"}}}});
  }
};

TEST_F(FleetRestartTest, WhatIsLeftOfAPodThatIsOverIsStopped) {
  const kube::Json once = {{"spec", {{"restartPolicy", "Never"}}}};
  ConnectFleet();
  const MemoryHubStore::State copy = store_.CopyState();
  ApplyFleet("job", kube::Json::object(), once);
  hub_.reset();
  store_.Restore(copy);
  RestartHub();
  ConnectShim();
  // A hub that knew of gw-1 alone has said so.
  kube::Json over = once;
  over["status"] = {{"phase", "Succeeded"}};
  Say(FleetApply("job", kube::Json::object(), over));
  SyncFleet({"job"});
  for (ScriptedHost* host : {&host_, &second_, &third_}) ConnectHost(*host);
  Ended(host_, "job", v1::PHASE_SUCCEEDED);
  Wait();
  EXPECT_EQ(Has("job"), "123");
  Ready(second_, "job");
  loop_.Advance(minutes(1));
  EXPECT_EQ(Has("job"), "12x3") << "of gw-3 nobody knows yet";
}

TEST_F(ForgottenJobTest, IsOverOnceItIsOverThereToo) {
  ConnectHost(second_);
  EXPECT_EQ(ReportOf("job")->status().phase(), v1::PHASE_RUNNING);
  Ended(second_, "job", v1::PHASE_SUCCEEDED);
  EXPECT_EQ(ReportOf("job")->status().phase(), v1::PHASE_SUCCEEDED);
}

TEST_F(ForgottenJobTest, IsOverOnceThatHostIsGivenUp) {
  PatchHost("gw-2", {{"revoked", true}});
  loop_.Advance(seconds(2));
  EXPECT_EQ(ReportOf("job")->status().phase(), v1::PHASE_SUCCEEDED);
}

/// gw-3 comes back in a way that leaves open what it runs.
class HostInDoubtTest : public FleetFixture {
 protected:
  /// It says that it holds a manifest, and does not show it; the hub's store is from before "u1".
  void ComesBackUnproved() {
    ConnectFleet();
    const MemoryHubStore::State copy = store_.CopyState();
    ApplyFleet("u1");
    ASSERT_EQ(Has("u1"), "123");
    hub_.reset();
    store_.Restore(copy);
    RestartHub();
    third_.secretive = true;
    for (ScriptedHost* host : {&host_, &second_, &third_}) ConnectHost(*host);
    ConnectShim();
    Say(FleetApply("u1"));
    SyncFleet({"u1"});
    Wait();
  }
  void Shows() {
    v1::HostMessage reply;
    *reply.mutable_reply()->mutable_manifest() = *third_.held;
    third_.Send(reply);
    Wait();
  }
  /// Its disk was replaced, and it gets no manifest before the other node was listed, too.
  void ComesBackEmpty() {
    options_.fleet_nodes.push_back({"other", "*"});
    RestartHub();
    ConnectFleet();
    ApplyFleet("u1");
    ASSERT_EQ(Has("u1"), "123");
    third_.Disconnect();
    third_.Forget("a nonce");
    third_.Connect();
    Settle();
  }
  void IsDeletedElsewhere() {
    Stop("u1", 1);
    Gone(host_, "u1");
    Gone(second_, "u1");
    EXPECT_FALSE(ToldGone("u1")) << "gw-3 may run it";
  }
};

TEST_F(HostInDoubtTest, OneThatDoesNotShowWhatItHoldsKeepsADeletionBackForMinutesOnly) {
  ComesBackUnproved();
  IsDeletedElsewhere();
  loop_.Advance(minutes(4));
  EXPECT_FALSE(ToldGone("u1"));
  // That it comes and goes begins nothing anew.
  third_.Disconnect();
  third_.Connect();
  loop_.Advance(minutes(1));
  EXPECT_TRUE(ToldGone("u1"));

  Shows();
  ASSERT_EQ(Has("u1"), "3");
  ASSERT_TRUE(AskedToConfirm("u1"));
  Confirm("u1");
  loop_.Advance(minutes(10) + seconds(1));
  Confirm("u1");
  Wait();
  EXPECT_EQ(Has("u1"), "3x");
}

TEST_F(HostInDoubtTest, OneThatShowsItInTimeIsWaitedFor) {
  ComesBackUnproved();
  IsDeletedElsewhere();
  Shows();
  EXPECT_EQ(Has("u1"), "3x");
  loop_.Advance(minutes(10));
  EXPECT_FALSE(ToldGone("u1"));
  Gone(third_, "u1");
  EXPECT_TRUE(ToldGone("u1"));
}

TEST_F(HostInDoubtTest, OneThatLostItsStoreIsNotWaitedForWhenItDoesNotRunThePod) {
  ComesBackEmpty();
  IsDeletedElsewhere();
  third_.ReportUnexplained({});
  Settle();
  EXPECT_TRUE(ToldGone("u1"));
  // What is left of it there ends all the same.
  Synced({}, 100, "other");
  EXPECT_EQ(Has("u1"), "3x");
  Gone(third_, "u1");
  EXPECT_EQ(Has("u1"), "");
}

TEST_F(HostInDoubtTest, OneThatLostItsStoreAndSaysNothingIsWaitedForForMinutesOnly) {
  ComesBackEmpty();
  IsDeletedElsewhere();
  loop_.Advance(minutes(4));
  EXPECT_FALSE(ToldGone("u1"));
  loop_.Advance(minutes(1));
  EXPECT_TRUE(ToldGone("u1"));
}

TEST_F(HostInDoubtTest, OneThatLostItsStoreAndRunsThePodIsWaitedFor) {
  ComesBackEmpty();
  IsDeletedElsewhere();
  third_.ReportUnexplained({"u1"});
  loop_.Advance(minutes(10));
  EXPECT_FALSE(ToldGone("u1"));
  Synced({}, 100, "other");
  EXPECT_EQ(Has("u1"), "3x");
  Gone(third_, "u1");
  EXPECT_TRUE(ToldGone("u1"));
}

}  // namespace
}  // namespace slicelet::provider
