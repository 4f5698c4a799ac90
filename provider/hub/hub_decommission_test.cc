#include <gtest/gtest.h>

#include "provider/hub/testing/fleet_fixture.h"

namespace slicelet::provider {
namespace {

class DecommissionTest : public FleetFixture {
 protected:
  absl::Status Decommission(const std::string& node, bool force = false) {
    v1::DecommissionNodeRequest request;
    request.set_node(node);
    request.set_force(force);
    const absl::Status done = hub_->DecommissionNode(request);
    Settle();
    return done;
  }
  /// Provider and shim are started anew, with these fleet nodes only: no list of another one's pods comes.
  void StartWith(std::vector<Hub::FleetNode> fleets) {
    options_.fleet_nodes = std::move(fleets);
    RestartHub();
    for (ScriptedHost* host : {&host_, &second_, &third_}) ConnectHost(*host);
    ConnectShim();
  }
  [[nodiscard]] bool IsRetired() {
    return Received([](const auto& m) { return m.has_node_retire() && m.node_retire().name() == "fleet"; }) !=
           nullptr;
  }
};

TEST_F(DecommissionTest, AFleetNodeThatHasLeftTheConfigurationAndHasNoPodsIsGivenUp) {
  ConnectFleet();
  EXPECT_EQ(Decommission("fleet").code(), absl::StatusCode::kFailedPrecondition) << "it is configured";
  options_.fleet_nodes.clear();
  RestartHub();
  ConnectShim();
  EXPECT_FALSE(IsRetired()) << "nobody said that it shall go";
  ASSERT_EQ(Decommission("fleet"), absl::OkStatus());
  EXPECT_TRUE(IsRetired());
  EXPECT_EQ(Decommission("stranger").code(), absl::StatusCode::kNotFound);

  // Asked again until the shim has answered, also by the next hub.
  RestartHub();
  ConnectShim();
  EXPECT_TRUE(IsRetired());
  v1::ShimMessage retired;
  retired.mutable_node_retired()->set_name("fleet");
  Say(retired);
  RestartHub();
  ConnectShim();
  EXPECT_FALSE(IsRetired());
  EXPECT_EQ(Decommission("fleet").code(), absl::StatusCode::kNotFound);
}

TEST_F(DecommissionTest, PodsOfAFleetNodeThatHasLeftTheConfigurationRunOnUntilForceStopsThem) {
  ConnectFleet();
  ApplyFleet("u1");
  StartWith({});
  loop_.Advance(minutes(5));
  EXPECT_EQ(Has("u1"), "123");
  EXPECT_EQ(Decommission("fleet").code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Has("u1"), "123");
  ASSERT_EQ(Decommission("fleet", true), absl::OkStatus());
  EXPECT_EQ(Has("u1"), "1x2x3x");
  for (ScriptedHost* host : {&host_, &second_, &third_}) Gone(*host, "u1");
  EXPECT_EQ(Has("u1"), "");
}

TEST_F(DecommissionTest, WhatBecomesOfAFormerFleetNodeIsNoMatterOfOthers) {
  ConnectFleet();
  ApplyFleet("u1");
  Ready(host_, "u1");
  StartWith({{"other", "*"}});
  Synced({}, 100, "other");
  v1::ShimMessage other = FleetApply("u2");
  other.mutable_pod_apply()->set_node("other");
  Say(other);
  Wait();
  EXPECT_EQ(Has("u1"), "123") << "a manifest without it would end it";
  EXPECT_EQ(Has("u2"), "123");
  ASSERT_EQ(Decommission("fleet", true), absl::OkStatus());
  EXPECT_EQ(Has("u1"), "1x2x3x");
  EXPECT_EQ(Has("u2"), "123");
}

TEST_F(DecommissionTest, AHostThatWasAwayLetsGoOfWhatForceStoppedAlsoBeforeTheNextHub) {
  ConnectFleet();
  ApplyFleet("u1");
  StartWith({});
  third_.Disconnect();
  loop_.Advance(seconds(31));
  ASSERT_EQ(Decommission("fleet", true), absl::OkStatus());
  EXPECT_EQ(Has("u1"), "1x2x3");
  for (ScriptedHost* host : {&host_, &second_}) Gone(*host, "u1");
  StartWith({});
  EXPECT_EQ(Has("u1"), "3x");
  Gone(third_, "u1");
  loop_.Advance(seconds(2));
  EXPECT_EQ(Has("u1"), "");
}

TEST_F(DecommissionTest, AHostThatLostItsStoreGetsThePodsOfAFormerFleetNodeBack) {
  ConnectFleet();
  ApplyFleet("u1");
  host_.Forget("a nonce");
  StartWith({{"other", "*"}});
  Synced({}, 100, "other");
  loop_.Advance(minutes(1));
  EXPECT_EQ(Has("u1"), "123");
  ASSERT_EQ(Decommission("fleet", true), absl::OkStatus());
  EXPECT_EQ(Has("u1"), "1x2x3x");
}

}  // namespace
}  // namespace slicelet::provider
