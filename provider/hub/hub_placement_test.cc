// Which of a fleet node's hosts are chosen, why, and what becomes of that.
#include <gmock/gmock.h>

#include "provider/hub/testing/fleet_fixture.h"

namespace slicelet::provider {
namespace {

using testing::HasSubstr;

class PlacementTest : public FleetFixture {
 protected:
  static kube::Json Placement(const std::string& policy) { return {{"slicelet.io/placement", policy}}; }
  static kube::Json Requests(const std::string& cpu, const std::string& memory = "64Mi") {
    return {{"spec",
             {{"containers",
               kube::Json::array({{{"name", "main"},
                                   {"image", "docker.io/library/app:1"},
                                   {"resources", {{"requests", {{"cpu", cpu}, {"memory", memory}}}}}}})}}}};
  }
  v1::ExplainPodReply Explain(const std::string& uid) {
    v1::ExplainPodRequest request;
    request.set_namespace_("ns");
    request.set_name("pod-" + uid);
    auto reply = hub_->ExplainPod(request);
    EXPECT_TRUE(reply.ok()) << reply.status();
    return reply.ok() ? *reply : v1::ExplainPodReply();
  }
  static const v1::ExplainPodReply::Entry& Of(const v1::ExplainPodReply& reply, const std::string& host) {
    for (const auto& entry : reply.entries()) {
      if (entry.host() == host) return entry;
    }
    static const v1::ExplainPodReply::Entry kNone;
    ADD_FAILURE() << "nothing about " << host;
    return kNone;
  }
};

TEST_F(PlacementTest, RoomIsWhatTheHostsHaveLess) {
  ConnectFleet();
  ApplyFleet("large", Condition("deviceId = 'gw-1'"), Requests("3"));
  ApplyFleet("small", Condition("deviceId = 'gw-2'"), Requests("1"));
  ApplyFleet("spread", Placement("worst-fit"), Requests("500m"));
  EXPECT_EQ(Has("spread"), "3");
  ApplyFleet("pack", Placement("best-fit"), Requests("500m"));
  EXPECT_EQ(Has("pack"), "1");
  const auto reply = Explain("pack");
  EXPECT_EQ(reply.placement(), "best-fit");
  EXPECT_EQ(reply.hosts(), 1);
  EXPECT_EQ(reply.cpu_milli(), 500);
  EXPECT_EQ(Of(reply, "gw-1").free_cpu_milli(), 500);
  EXPECT_TRUE(Of(reply, "gw-1").chosen());
  EXPECT_EQ(Of(reply, "gw-2").max_replicas(), 6);
  EXPECT_EQ(Of(reply, "gw-3").free_memory_bytes(), (std::int64_t{4} << 30) - (std::int64_t{64} << 20));
  EXPECT_EQ(Of(reply, "gw-3").reason(), "eligible, but the pod has its 1 host");
}

TEST_F(PlacementTest, HowManyHostsAFleetNodeHasIsKnownWithoutAPod) {
  ConnectFleet();
  Tag("gw-2", "north");
  const auto hosts = [this](const char* node, const std::string& condition) {
    const auto count = hub_->HostsOf(NodeName(node), condition);
    return count.ok() ? std::to_string(*count) : std::string(absl::StatusCodeToString(count.status().code()));
  };
  EXPECT_EQ(hosts("fleet", ""), "3");
  EXPECT_EQ(hosts("fleet", "tags.site = 'north'"), "1");
  EXPECT_EQ(hosts("fleet", "tags.site = 'south'"), "0");
  PatchHost("gw-3", {{"approved", false}});
  EXPECT_EQ(hosts("fleet", ""), "2");
  EXPECT_EQ(hosts("fleet", "tags. ="), "INVALID_ARGUMENT");
  EXPECT_EQ(hosts("gw-1", ""), "NOT_FOUND");
  EXPECT_EQ(hosts("none", ""), "NOT_FOUND");
}

TEST_F(PlacementTest, TwoThatComeAtOnceDoNotGetTheSameRoom) {
  ConnectFleet();
  for (const char* uid : {"u1", "u2", "u3", "u4"}) Say(FleetApply(uid, Placement("best-fit"), Requests("3")));
  Wait();
  EXPECT_EQ(Has("u1") + Has("u2") + Has("u3"), "123");
  EXPECT_EQ(Has("u4"), "");
  ASSERT_NE(ConditionOf("u4", "Placed"), nullptr);
  EXPECT_EQ(Of(Explain("u4"), "gw-2").reason(), "no room: cpu: needs 3000m, 1000m is free");
  Stop("u2", 1);
  Wait();
  EXPECT_EQ(Has("u4"), "") << "the other one still runs there";
  Gone(second_, "u2");
  Wait();
  EXPECT_EQ(Has("u4"), "2");
}

TEST_F(PlacementTest, WhatAHostsOwnPodTakesIsNotFree) {
  options_.host_nodes = true;
  RestartHub();
  ConnectFleet();
  Synced({});
  kube::Json own = PodJson("own", Requests("3500m"));
  Say(ApplyOf(own));
  Wait();
  ApplyFleet("u1", Placement("best-fit"), Requests("1"));
  EXPECT_EQ(Has("u1"), "2");
  EXPECT_EQ(Of(Explain("u1"), "gw-1").free_cpu_milli(), 500);
}

TEST_F(PlacementTest, TrafficMostAsksTheHostsOfThisMoment) {
  second_.receive_rate = 500;
  ConnectFleet();
  third_.receive_rate = 90'000;
  loop_.Advance(seconds(61));
  ApplyFleet("u1", Placement("traffic-most"));
  EXPECT_EQ(Has("u1"), "3");
  EXPECT_EQ(Of(Explain("u1"), "gw-2").receive_rate(), 500U);
  EXPECT_FALSE(Of(Explain("u1"), "gw-1").has_receive_rate());
  third_.receive_rate = 1;
  loop_.Advance(seconds(61));
  ApplyFleet("u2", Placement("most_traffic"));
  EXPECT_EQ(Has("u2"), "2");
  EXPECT_EQ(Has("u1"), "3") << "it stays";
}

TEST_F(PlacementTest, AfterAStartNothingIsChosenBeforeTheHostsAreKnown) {
  ConnectHost(second_);
  ConnectShim();
  SyncFleet({});
  ApplyFleet("u1", Placement("worst-fit"));
  EXPECT_EQ(Has("u1"), "") << "the others are about to come back";
  ConnectHost(host_);
  Wait();
  EXPECT_EQ(Has("u1"), "");
  loop_.Advance(seconds(31));
  EXPECT_EQ(Has("u1"), "1") << "the third does not";
}

TEST_F(PlacementTest, WhoWasChosenWhileTheDiskWasFullIsStoredWhenItIsNot) {
  ConnectFleet();
  store_.SetDiskFull(true);
  ApplyFleet("a", Placement("worst-fit"));
  ASSERT_TRUE(store_.CopyState().loaded.placements.empty());
  store_.SetDiskFull(false);
  loop_.Advance(seconds(11));
  const auto stored = store_.CopyState().loaded.placements;
  ASSERT_TRUE(stored.contains(PodUid("a")));
  EXPECT_EQ(stored.at(PodUid("a")).hosts_size(), 1);
  EXPECT_EQ(stored.at(PodUid("a")).node(), "fleet");
}

TEST_F(PlacementTest, EachHostThatIsNotChosenHasItsReason) {
  Tag("gw-1", "north");
  ConnectFleet();
  PatchHost("gw-2", {{"maintenance", true}, {"tags", {{"site", "north"}}}});
  for (const auto& [name, spec] : std::map<std::string, kube::Json>{
           {"new", {{"approved", false}}}, {"bad", {{"approved", true}, {"revoked", true}}}}) {
    AddHost(name, spec);
  }
  Wait();
  ApplyFleet("u1", Condition("tags.site = 'north'"));
  const auto reply = Explain("u1");
  EXPECT_EQ(reply.node(), "fleet");
  EXPECT_EQ(reply.condition(), "tags.site = 'north'");
  EXPECT_EQ(reply.cpu_milli(), 100) << "what is not asked for";
  EXPECT_TRUE(Of(reply, "gw-1").chosen());
  EXPECT_THAT(Of(reply, "gw-2").reason(), HasSubstr("in maintenance"));
  EXPECT_TRUE(Of(reply, "gw-2").matched());
  EXPECT_EQ(Of(reply, "gw-3").reason(), "condition not met: tags.site = 'north', but tags.site is not set");
  EXPECT_EQ(Of(reply, "new").reason(), "not approved: set spec.approved of the EdgeHost to true");
  EXPECT_EQ(Of(reply, "bad").reason(), "revoked: spec.revoked of the EdgeHost");
}

TEST_F(PlacementTest, WhatCanNotBeExplainedSaysWhatToDo) {
  ConnectFleet();
  v1::ExplainPodRequest request;
  request.set_namespace_("ns");
  request.set_name("pod-u1");
  EXPECT_THAT(hub_->ExplainPod(request).status().message(), HasSubstr("kubectl describe pod"));
  ApplyFleet("u1", Placement("anywhere"));
  EXPECT_THAT(hub_->ExplainPod(request).status().message(),
              HasSubstr("pod ns/pod-u1 was refused: metadata.annotations[slicelet.io/placement]"));
}

TEST_F(PlacementTest, AHostAwayForLongerThanThePodsAutonomyGivesItToAnother) {
  ConnectFleet();
  ApplyFleet("limited", {{"slicelet.io/placement", "worst-fit"}, {"slicelet.io/autonomy", "10m"}});
  ApplyFleet("forever", Placement("worst-fit"));
  ApplyFleet("all", {{"slicelet.io/autonomy", "10m"}});
  ASSERT_EQ(Has("limited"), "1");
  ASSERT_EQ(Has("forever"), "2");
  host_.Disconnect();
  second_.Disconnect();
  // Its heartbeats go on.
  loop_.Advance(seconds(30) + minutes(10));
  EXPECT_EQ(Has("limited"), "1");
  loop_.Advance(minutes(2));
  EXPECT_EQ(third_.Find("limited") != nullptr, true) << "the place is given away once the host has let go";
  EXPECT_EQ(third_.Find("forever"), nullptr);
  EXPECT_EQ(Fleet("limited"), "targeted 1, applied 1, ready 0, failed 0, unreachable 0");
  EXPECT_THAT(Fleet("all"), HasSubstr("targeted 3")) << "there is no other place for it";
  ConnectHost(host_);
  Wait();
  EXPECT_TRUE(host_.Find("limited")->has_stop()) << "and does not come back";
  Gone(host_, "limited");
  EXPECT_EQ(Has("limited"), "3");
  EXPECT_FALSE(host_.Find("all")->has_stop());
}

TEST_F(PlacementTest, AHostThatComesBackInTimeKeepsThePod) {
  ConnectFleet();
  ApplyFleet("u1", {{"slicelet.io/placement", "worst-fit"}, {"slicelet.io/autonomy", "10m"}});
  ASSERT_EQ(Has("u1"), "1");
  for (int i = 0; i < 3; ++i) {
    host_.Disconnect();
    loop_.Advance(minutes(8));
    ConnectHost(host_);
    loop_.Advance(seconds(5));
  }
  EXPECT_EQ(Has("u1"), "1") << "its time away is not added up";
}

TEST_F(PlacementTest, WithoutAnotherPlaceThePodWaitsForItsHost) {
  ConnectFleet();
  ApplyFleet("u1",
             {{"slicelet.io/placement", "worst-fit"},
              {"slicelet.io/autonomy", "10m"},
              {"slicelet.io/target-condition", "deviceId IN ['gw-1', 'gw-2']"}},
             Requests("3"));
  ApplyFleet("other", Condition("deviceId = 'gw-2'"), Requests("2"));
  ASSERT_EQ(Has("u1"), "1");
  host_.Disconnect();
  loop_.Advance(minutes(20));
  EXPECT_EQ(Has("u1"), "1");
  ConnectHost(host_);
  Wait();
  EXPECT_EQ(Has("u1"), "1");
  EXPECT_FALSE(host_.Find("u1")->has_stop());
  host_.Disconnect();
  loop_.Advance(minutes(20));
  Stop("other", 1);
  Gone(second_, "other");
  loop_.Advance(seconds(1));
  EXPECT_NE(second_.Find("u1"), nullptr) << "as soon as there is room elsewhere";
}

/// The hub's store is a copy of the time when the pod was on gw-1. It runs on gw-2.
class OlderPlacementTest : public PlacementTest {
 protected:
  void SetUp() override {
    for (const char* name : {"gw-1", "gw-2", "gw-3"}) Tag(name, "north");
    ConnectFleet();
    Say(Shown());
    Wait();
    ASSERT_EQ(Has("u1"), "1");
    const MemoryHubStore::State copy = store_.CopyState();
    Tag("gw-1", "south");
    Gone(host_, "u1");
    Wait();
    Tag("gw-1", "north");
    ASSERT_EQ(Has("u1"), "2");
    hub_.reset();
    store_.Restore(copy);
    RestartHub();
  }
  v1::ShimMessage Shown() {
    kube::Json annotations = Condition("tags.site = 'north'");
    annotations["slicelet.io/placement"] = "worst-fit";
    return FleetApply("u1", annotations);
  }
  void ShimLists() {
    ConnectShim();
    Say(Shown());
    SyncFleet({"u1"});
    loop_.Advance(seconds(1));
  }
};

TEST_F(OlderPlacementTest, WhereThePodRunsGoesBeforeWhereItWas) {
  for (ScriptedHost* host : {&second_, &host_, &third_}) ConnectHost(*host);
  ShimLists();
  EXPECT_EQ(Has("u1"), "2");
  const auto placements = store_.CopyState().loaded.placements;
  ASSERT_EQ(placements.size(), 1U);
  ASSERT_EQ(placements.begin()->second.hosts_size(), 1);
  EXPECT_EQ(placements.begin()->second.hosts(0), "gw-2");
}

TEST_F(OlderPlacementTest, AHostThatIsNotHeardOfDoesNotGetWhatAnotherHostRuns) {
  for (ScriptedHost* host : {&second_, &third_}) ConnectHost(*host);
  ShimLists();
  loop_.Advance(minutes(1));
  EXPECT_EQ(Has("u1"), "2");
  ConnectHost(host_);
  loop_.Advance(seconds(1));
  EXPECT_EQ(Has("u1"), "2");
}

}  // namespace
}  // namespace slicelet::provider
