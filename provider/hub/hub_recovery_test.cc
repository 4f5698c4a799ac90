// What a hub may and may not do after it, its store or a host lost something.
#include <algorithm>
#include <utility>

#include "provider/hub/testing/hub_fixture.h"
#include "provider/link/host_session.h"

namespace slicelet::provider {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

using HubRecoveryTest = HubFixture;

TEST_F(HubRecoveryTest, ARestartedHubChangesNothingBeforeTheShimHasListed) {
  ConnectAll();
  Apply("u1");
  host_.ReportRunning("u1");
  loop_.Advance(seconds(6));
  const Generation generation = hub_->GenerationOf(HostId("gw-1"));
  RestartHub();
  host_.Connect();
  Settle();
  ConnectShim();
  Apply("u2");
  EXPECT_EQ(hub_->GenerationOf(HostId("gw-1")), generation);
  Apply("u1");
  ASSERT_NE(ReportOf("u1"), nullptr) << "the stored status is reported before the host says it again";
  Synced({"u1", "u2"});
  EXPECT_EQ(host_.manifest.deployments_size(), 2);
  EXPECT_EQ(FromProto(host_.manifest.generation()).epoch, generation.epoch);
}

TEST_F(HubRecoveryTest, WhatIsNotDurableIsNeverSent) {
  ConnectAll();
  const int before = host_.taken;
  store_.OnPoint([this](MemoryHubStore::Point point) {
    if (point == MemoryHubStore::Point::kRequested) store_.Crash();
  });
  Apply("u1");
  loop_.Advance(seconds(20));
  EXPECT_EQ(host_.taken, before);
}

TEST_F(HubRecoveryTest, ALostStoreIsLearntFromTheHostAndRemovesNothing) {
  ConnectAll();
  Apply("u1");
  Apply("u2");
  const Generation before = FromProto(host_.manifest.generation());
  store_.Lose();
  RestartHub();
  ConnectShim();
  Apply("u1");
  Synced({"u1"});
  EXPECT_EQ(hub_->GenerationOf(HostId("gw-1")), (Generation{0, 0}))
      << "nothing is numbered before the host is heard";
  host_.Connect();
  Settle();
  EXPECT_EQ(FromProto(host_.manifest.generation()).epoch, before.epoch + 1);
  ASSERT_NE(host_.Find("u2"), nullptr);
  EXPECT_FALSE(host_.Find("u2")->has_stop());
  EXPECT_TRUE(AskedToConfirm("u2"));

  host_.Fetch(host_.Find("u1")->digest());
  loop_.Advance(seconds(1));
  host_.Fetch(host_.Find("u1")->digest());
  Settle();
  EXPECT_FALSE(host_.blobs[host_.Find("u1")->digest()].empty()) << "its blob is made anew";
}

TEST_F(HubRecoveryTest, AStoreFromAnOldCopyGetsANewEpoch) {
  ConnectAll();
  Apply("u1");
  const MemoryHubStore::State copy = store_.CopyState();
  Apply("u2");
  const Generation before = FromProto(host_.manifest.generation());
  store_.Restore(copy);
  RestartHub();
  host_.Connect();
  Settle();
  const Generation after = FromProto(host_.manifest.generation());
  EXPECT_GT(after.epoch, before.epoch);
  EXPECT_NE(host_.Find("u2"), nullptr);
}

TEST_F(HubRecoveryTest, AnOldCopyThatNumbersHigherThanWhatAHostGotAfterBothWereLostIsNotTakenForNewer) {
  host_.Forget("the first store");
  ConnectAll();
  host_.ReportUnexplained({});
  Apply("u1");
  Apply("u2");
  Apply("u3");
  const MemoryHubStore::State copy = store_.CopyState();
  // A new hub and a new disk of the host: both count from 1 again.
  store_.Lose();
  RestartHub();
  host_.Forget("the second store");
  ConnectAll();
  host_.ReportUnexplained({});
  Apply("u4");
  ASSERT_NE(host_.Find("u4"), nullptr);
  const Generation taken = FromProto(host_.manifest.generation());
  store_.Restore(copy);
  RestartHub();
  ASSERT_LT(taken, hub_->GenerationOf(HostId("gw-1")));
  ASSERT_EQ(taken.epoch, hub_->GenerationOf(HostId("gw-1")).epoch);
  const int before = host_.taken;
  host_.Connect();
  Settle();
  EXPECT_EQ(host_.taken, before + 1) << "the copy's own manifest is not sent";
  EXPECT_GT(FromProto(host_.manifest.generation()).epoch, taken.epoch);
  ASSERT_NE(host_.Find("u4"), nullptr) << "it would be ended";
  EXPECT_FALSE(host_.Find("u4")->has_stop());
  EXPECT_EQ(host_.Find("u1"), nullptr) << "that is of a store that the host lost";
  // From here on it is the same store.
  const Generation learnt = FromProto(host_.manifest.generation());
  host_.Disconnect();
  host_.Connect();
  Settle();
  EXPECT_EQ(FromProto(host_.manifest.generation()), learnt);
}

TEST_F(HubRecoveryTest, AnUnprovedClaimChangesNothing) {
  ConnectAll();
  Apply("u1");
  const MemoryHubStore::State copy = store_.CopyState();
  Apply("u2");
  store_.Restore(copy);
  RestartHub();
  const Generation stored = hub_->GenerationOf(HostId("gw-1"));
  host_.secretive = true;
  host_.Connect();
  Settle();
  ConnectShim();
  Synced({});
  loop_.Advance(minutes(1));
  EXPECT_EQ(hub_->GenerationOf(HostId("gw-1")), stored);
  EXPECT_FALSE(host_.commands.empty()) << "it is asked again for the bytes";
  ASSERT_EQ(NodeReport()->conditions_size(), 1);
  EXPECT_EQ(NodeReport()->conditions(0).type(), "slicelet.io/ManifestAccepted");
  EXPECT_FALSE(NodeReport()->conditions(0).status());
  EXPECT_EQ(NodeReport()->conditions(0).reason(), "ClaimNotProved");
  Apply("u9");
  ASSERT_NE(ReportOf("u9"), nullptr);
  EXPECT_FALSE(ReportOf("u9")->has_status());
  EXPECT_EQ(ReportOf("u9")->conditions(0).reason(), "ClaimNotProved");
  host_.held->mutable_signature()->front() ^= 1;
  v1::HostMessage reply;
  *reply.mutable_reply()->mutable_manifest() = *host_.held;
  host_.Send(reply);
  loop_.Advance(minutes(1));
  EXPECT_EQ(hub_->GenerationOf(HostId("gw-1")), stored);
}

TEST_F(HubRecoveryTest, WhatAHostSaidBeforeItsProofCameIsAskedForUntilItSaysItAgain) {
  ConnectAll();
  Apply("u1");
  store_.Lose();
  RestartHub();
  // The link loses what it shows.
  host_.secretive = true;
  host_.Connect();
  Settle();
  host_.ReportRunning("u1");
  Settle();
  ConnectShim();
  Apply("u1");
  Synced({"u1"});
  EXPECT_FALSE(ReportOf("u1") != nullptr && ReportOf("u1")->has_status());
  v1::HostMessage reply;
  *reply.mutable_reply()->mutable_manifest() = *host_.held;
  host_.Send(reply);
  Settle();
  EXPECT_TRUE(std::exchange(host_.resync_wanted, false)) << "and this is lost, too";
  loop_.Advance(HostSession::kHearAgain);
  ASSERT_TRUE(host_.resync_wanted);
  host_.ReportRunning("u1");
  Settle();
  ASSERT_NE(ReportOf("u1"), nullptr);
  EXPECT_EQ(ReportOf("u1")->status().phase(), v1::PHASE_RUNNING);
  loop_.Advance(minutes(1));
  EXPECT_FALSE(host_.resync_wanted);
}

TEST_F(HubRecoveryTest, AHostThatClaimedMoreThanItHoldsGetsTheNewest) {
  ConnectAll();
  host_.Disconnect();
  Apply("u1");
  const Generation newest = hub_->GenerationOf(HostId("gw-1"));
  ASSERT_LT(FromProto(host_.manifest.generation()), newest);
  host_.exaggerate = true;
  host_.Connect();
  Settle();
  EXPECT_EQ(FromProto(host_.manifest.generation()), newest);
  EXPECT_EQ(hub_->GenerationOf(HostId("gw-1")), newest);
}

TEST_F(HubRecoveryTest, AHostThatTookWhatTheHubHasForgottenIsAskedForIt) {
  ConnectAll();
  Apply("u1");
  const Generation made = hub_->GenerationOf(HostId("gw-1"));
  host_.commands.clear();
  const auto accept = [this](std::uint64_t number, const std::string& digest) {
    v1::HostMessage message;
    message.mutable_accepted()->mutable_generation()->set_epoch(1);
    message.mutable_accepted()->mutable_generation()->set_number(number);
    message.mutable_accepted()->set_digest(digest);
    host_.Send(message);
    Settle();
  };
  accept(made.number - 1, std::string(32, 'o'));
  EXPECT_TRUE(host_.commands.empty()) << "an older one is late, no more";
  // As somebody who recorded the link can have it, before both lost their stores.
  accept(made.number + 5, std::string(32, 'x'));
  ASSERT_EQ(host_.commands.size(), 1U);
  EXPECT_TRUE(host_.commands[0].has_manifest_bytes());
  EXPECT_EQ(hub_->GenerationOf(HostId("gw-1")), made) << "nothing is believed before it is proved";
}

TEST_F(HubRecoveryTest, APendingStatusIsNotRemembered) {
  ConnectAll();
  Apply("u1");
  v1::WorkloadStatus pending;
  pending.set_uid("u1");
  host_.Report(pending);
  loop_.Advance(std::chrono::seconds(10));
  RestartHub();
  received_.clear();
  ConnectShim();
  Apply("u1");
  EXPECT_EQ(ReportOf("u1"), nullptr);
}

TEST_F(HubRecoveryTest, AnAmnesiacHostGetsItsPodsUnderItsNonceButNoFinishedOne) {
  ConnectAll();
  Apply("u1");
  Apply("job");
  v1::WorkloadStatus done;
  done.set_uid("job");
  done.set_phase(v1::PHASE_SUCCEEDED);
  host_.Report(done);
  Settle();
  host_.Disconnect();
  host_.Forget("a nonce");
  host_.Connect();
  Settle();
  host_.ReportUnexplained({"u1"});
  Settle();
  EXPECT_EQ(host_.manifest.nonce(), "a nonce");
  EXPECT_NE(host_.Find("u1"), nullptr);
  EXPECT_EQ(host_.Find("job"), nullptr);
  Apply("u3");
  EXPECT_NE(host_.Find("u3"), nullptr) << "later ones need no nonce";
  Stop("job", 1);
  EXPECT_TRUE(ToldGone("job"));
}

TEST_F(HubRecoveryTest, AnAmnesiacHostGetsNothingBeforeTheShimHasSpoken) {
  ConnectAll();
  const MemoryHubStore::State old = store_.CopyState();
  Apply("u1");
  ASSERT_NE(host_.Find("u1"), nullptr);
  // The old copy does not know u1, which runs on.
  store_.Restore(old);
  RestartHub();
  host_.Forget("a nonce");
  const int before = host_.taken;
  host_.Connect();
  Settle();
  host_.ReportUnexplained({"u1"});
  Settle();
  EXPECT_EQ(host_.taken, before) << "it would end what this manifest does not hold";

  ConnectShim();
  Apply("u1");
  EXPECT_EQ(host_.taken, before);
  Synced({"u1"});
  EXPECT_EQ(host_.manifest.nonce(), "a nonce");
  EXPECT_NE(host_.Find("u1"), nullptr);
}

/// u1 and u2 run, the hub's store is a copy from before u2, and the host has lost its own.
class BothForgotTest : public HubRecoveryTest {
 protected:
  void SetUp() override {
    ConnectAll();
    Apply("u1");
    ComeBackFromBefore("u2");
    host_.Forget("a nonce");
    before_ = host_.taken;
    host_.Connect();
    Settle();
    ConnectShim();
  }

  int before_ = 0;
};

TEST_F(BothForgotTest, WhatRunsIsNotEndedWhileTheListLacksPodsThatNobodyDeleted) {
  Synced({});
  EXPECT_EQ(host_.taken, before_) << "nobody knows what runs";
  host_.ReportUnexplained({"u1", "u2"});
  Settle();
  loop_.Advance(minutes(1));
  EXPECT_EQ(host_.taken, before_) << "it would end u2";
  const auto& conditions = NodeReport()->conditions();
  EXPECT_TRUE(std::any_of(conditions.begin(), conditions.end(), [](const v1::Condition& condition) {
    return condition.type() == "slicelet.io/ManifestAccepted" && condition.reason() == "UnlistedPodsRun";
  }));

  Apply("u1");
  Apply("u2");
  Synced({"u1", "u2"});
  EXPECT_EQ(host_.taken, before_ + 1);
  EXPECT_NE(host_.Find("u1"), nullptr);
  EXPECT_NE(host_.Find("u2"), nullptr);
}

TEST_F(BothForgotTest, WhatRunsIsEndedWhenItStaysMissingFromWholeLists) {
  Apply("u1");
  host_.ReportUnexplained({"u1", "u2"});
  Synced({"u1"});
  loop_.Advance(minutes(9));
  EXPECT_EQ(host_.taken, before_);
  loop_.Advance(minutes(2));
  EXPECT_EQ(host_.taken, before_ + 1);
  EXPECT_NE(host_.Find("u1"), nullptr);
  EXPECT_EQ(host_.Find("u2"), nullptr);
}

TEST_F(BothForgotTest, WhatRunsIsEndedAtOnceWhenItsDeletionWasSeen) {
  Apply("u1");
  host_.ReportUnexplained({"u1", "u2"});
  Synced({"u1"});
  EXPECT_EQ(host_.taken, before_);
  Forget("u2", v1::DELETED_EVENT);
  EXPECT_EQ(host_.taken, before_ + 1);
}

TEST_F(BothForgotTest, AHostThatRunsOnlyWhatTheHubKnowsWaitsForNothing) {
  Synced({});
  host_.ReportUnexplained({"u1"});
  Settle();
  EXPECT_EQ(host_.taken, before_ + 1);
  ASSERT_NE(host_.Find("u1"), nullptr);
  EXPECT_FALSE(host_.Find("u1")->has_stop());
}

TEST_F(HubRecoveryTest, AnAmnesiacHostIsToldToStopWhatAHubWithoutMemoryHasNeverSeen) {
  ConnectAll();
  Apply("u1");
  Apply("u2");
  store_.Lose();
  RestartHub();
  ConnectShim();
  Apply("u1");
  Stop("u1", 3);
  // Its references are missing, so that the shim can not show it.
  Stop("u2", 4);
  Synced({"u1", "u2"});
  host_.Forget("a nonce");
  host_.Connect();
  Settle();
  host_.ReportUnexplained({"u1", "u2"});
  Settle();
  EXPECT_FALSE(ToldGone("u1"));
  EXPECT_FALSE(ToldGone("u2"));
  ASSERT_NE(host_.Find("u1"), nullptr);
  EXPECT_EQ(host_.Find("u1")->stop().grace_seconds(), 3);
  ASSERT_NE(host_.Find("u2"), nullptr);
  EXPECT_EQ(host_.Find("u2")->stop().grace_seconds(), 4);

  host_.ReportGone("u1");
  host_.ReportGone("u2");
  Settle();
  EXPECT_TRUE(ToldGone("u1"));
  EXPECT_TRUE(ToldGone("u2"));
  loop_.Advance(std::chrono::seconds(2));
  EXPECT_EQ(host_.manifest.deployments_size(), 0);
}

TEST_F(HubRecoveryTest, AnAmnesiacHostIsSparedAManifestWithoutAPodWhoseContentIsOnItsWay) {
  ConnectAll();
  store_.Lose();
  RestartHub();
  host_.Forget("a nonce");
  const int before = host_.taken;
  host_.Connect();
  Settle();
  ConnectShim();
  kube::Json pod = PodJson("u1");
  pod["spec"]["volumes"] = kube::Json::array({{{"name", "v"}, {"configMap", {{"name", "settings"}}}}});
  pod["spec"]["containers"][0]["volumeMounts"] =
      kube::Json::array({{{"name", "v"}, {"mountPath", "/etc/settings"}}});
  Say(ApplyOf(pod, {"configmap/settings"}));
  Synced({"u1"});
  EXPECT_EQ(host_.taken, before);

  // A reference that never comes, because somebody deleted it, must not keep the host's other pods back for
  // ever. Nor is it evidence against what may run there with it.
  loop_.Advance(std::chrono::minutes(1));
  EXPECT_EQ(host_.taken, before + 1);
  ASSERT_NE(host_.Find("u1"), nullptr);
  EXPECT_FALSE(host_.Find("u1")->has_stop());
  EXPECT_EQ(host_.Find("u1")->blobs_size(), 0);
}

TEST_F(HubRecoveryTest, APodWhoseDeletionWasUndoneBeginsAnewBehindItsTombstone) {
  ConnectAll();
  Apply("u1");
  host_.ReportRunning("u1");
  Stop("u1", 5);
  host_.ReportGone("u1");
  Settle();
  ASSERT_TRUE(ToldGone("u1"));
  ASSERT_NE(host_.Find("u1"), nullptr) << "as a tombstone";
  // The API server is restored to before the deletion.
  Apply("u1");
  loop_.Advance(seconds(3));
  ASSERT_NE(host_.Find("u1"), nullptr);
  EXPECT_FALSE(host_.Find("u1")->has_stop());
  host_.ReportRunning("u1", "10.88.0.9");
  Settle();
  EXPECT_EQ(ReportOf("u1")->status().phase(), v1::PHASE_RUNNING);
}

TEST_F(HubRecoveryTest, ADeletionThatWasUndoneAndRepeatedCounts) {
  ConnectAll();
  Apply("u1");
  Stop("u1", 5);
  host_.ReportGone("u1");
  Settle();
  Apply("u1");
  Stop("u1", 5);
  loop_.Advance(seconds(3));
  EXPECT_EQ(host_.Find("u1"), nullptr);
}

TEST_F(HubRecoveryTest, ADeletionThatWasUndoneStopsNoPodThatTheHubHadNotKnown) {
  ConnectShim();
  Synced({});
  Forget("u1", v1::DELETED_EVENT);
  // No host is known yet, so nothing says that none runs it. Then the API server is restored.
  Apply("u1");
  host_.Connect();
  Settle();
  ASSERT_NE(host_.Find("u1"), nullptr);
  EXPECT_FALSE(host_.Find("u1")->has_stop());
  EXPECT_FALSE(ToldGone("u1"));
}

TEST_F(HubRecoveryTest, ADeletionOfAPodThatNoHostEverHadIsAnsweredAgain) {
  // It never connects: of all hosts nobody can say what they run.
  AddHost("gw-2");
  ConnectShim();
  Apply("u1");
  Stop("u1", 5);
  Synced({"u1"});
  host_.Connect();
  Settle();
  ASSERT_TRUE(ToldGone("u1"));
  received_.clear();
  Forget("u1", v1::DELETED_EVENT);
  EXPECT_TRUE(ToldGone("u1"));
}

TEST_F(HubRecoveryTest, ADeletionIsNotConfirmedWhileAHostMayStillRunThePod) {
  ConnectAll();
  Apply("u1");
  store_.Lose();
  RestartHub();
  ConnectShim();
  Synced({"u1"});
  Stop("u1", 3);
  EXPECT_FALSE(ToldGone("u1"));
  host_.Connect();
  Settle();
  ASSERT_NE(host_.Find("u1"), nullptr);
  EXPECT_TRUE(host_.Find("u1")->has_stop());
  host_.ReportGone("u1");
  Settle();
  EXPECT_TRUE(ToldGone("u1"));
}

TEST_F(HubRecoveryTest, AStopOutlivesTheHub) {
  ConnectAll();
  Apply("u1");
  host_.Disconnect();
  Settle();
  Forget("u1", v1::DELETED_EVENT);
  RestartHub();
  host_.Connect();
  Settle();
  ASSERT_NE(host_.Find("u1"), nullptr);
  EXPECT_TRUE(host_.Find("u1")->has_stop());
}

TEST_F(HubRecoveryTest, AFullDiskDelaysAManifestAndNothingElse) {
  ConnectAll();
  store_.SetDiskFull(true);
  Apply("u1");
  EXPECT_EQ(host_.Find("u1"), nullptr);
  store_.SetDiskFull(false);
  loop_.Advance(seconds(10));
  EXPECT_NE(host_.Find("u1"), nullptr);
}

TEST_F(HubRecoveryTest, AFullDiskDelaysRecords) {
  ConnectAll();
  Apply("u1");
  store_.SetDiskFull(true);
  host_.ReportRunning("u1");
  loop_.Advance(seconds(6));
  Synced({}, 200);
  loop_.Advance(minutes(1));
  const HubStore::Loaded before = store_.CopyState().loaded;
  ASSERT_TRUE(before.orphans.empty());
  ASSERT_TRUE(before.statuses.empty());
  store_.SetDiskFull(false);
  loop_.Advance(seconds(11));
  const HubStore::Loaded after = store_.CopyState().loaded;
  EXPECT_TRUE(after.orphans.contains(PodUid("u1")));
  EXPECT_TRUE(after.statuses.contains({PodUid("u1"), HostId("gw-1")}));
  ASSERT_TRUE(after.nodes.contains(NodeName("gw-1")));
  EXPECT_EQ(after.nodes.at(NodeName("gw-1")).list_resource_version(), 200U);
}

TEST_F(HubRecoveryTest, WhatAFullDiskRefusedIsWrittenAsItIsByThen) {
  ConnectAll();
  Apply("u1");
  store_.SetDiskFull(true);
  Synced({}, 200);
  store_.SetDiskFull(false);
  // It was there all the time.
  Apply("u1");
  loop_.Advance(seconds(11));
  EXPECT_TRUE(store_.CopyState().loaded.orphans.empty());
}

TEST_F(HubRecoveryTest, ANodeThatWasGivenUpWhileTheDiskWasFullDoesNotComeBack) {
  ConnectAll();
  Apply("u1");
  api_->Delete({kube::kEdgeHosts, "slicelet", "gw-1", ""}, kube::DeleteOptions{}, [](const absl::Status&) {});
  Settle();
  store_.SetDiskFull(true);
  v1::DecommissionNodeRequest request;
  request.set_node("gw-1");
  request.set_force(true);
  ASSERT_TRUE(hub_->DecommissionNode(request).ok());
  Settle();
  store_.SetDiskFull(false);
  loop_.Advance(seconds(11));
  HubStore::Loaded stored = store_.CopyState().loaded;
  EXPECT_TRUE(stored.hosts.empty());
  ASSERT_TRUE(stored.nodes.contains(NodeName("gw-1")));
  EXPECT_TRUE(stored.nodes.at(NodeName("gw-1")).retired());

  store_.SetDiskFull(true);
  v1::ShimMessage gone;
  gone.mutable_node_retired()->set_name("gw-1");
  Say(gone);
  store_.SetDiskFull(false);
  loop_.Advance(seconds(11));
  EXPECT_TRUE(store_.CopyState().loaded.nodes.empty());
}

}  // namespace
}  // namespace slicelet::provider
