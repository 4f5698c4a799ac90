// What a broker does to the link: it dies, forgets, holds back, drops, and takes no large packets.
#include <gtest/gtest.h>

#include "common/mqtt/testing/mqtt_link_fixture.h"

namespace slicelet {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

using MqttLinkBrokerTest = MqttLinkFixture;

TEST_F(MqttLinkBrokerTest, AHubThatOnlyLostItsBrokerKeepsItsHosts) {
  Join(host_, 5);
  broker_.Cut("slicelet_hub-hub-1");
  loop_.Advance(minutes(1));
  EXPECT_TRUE(acceptor_->connected());
  host_.Heartbeat();
  loop_.Advance(seconds(1));
  EXPECT_EQ(host_.Count(IsAck), 1);
  EXPECT_EQ(host_.Count(IsWelcome), 1);
  EXPECT_EQ(peers_.size(), 1U);
}

TEST_F(MqttLinkBrokerTest, ABrokerThatDiesAndForgetsCostsNothingButTime) {
  Join(host_, 5);
  broker_.Kill();
  loop_.Advance(seconds(1));
  EXPECT_TRUE(host_.closed.has_value());
  host_.Connect();
  loop_.Advance(seconds(1));
  EXPECT_TRUE(host_.closed.has_value());
  broker_.Start(/*remembers=*/false);
  loop_.Advance(minutes(10));
  EXPECT_TRUE(acceptor_->connected());
  Join(host_, 6);
  host_.Heartbeat();
  loop_.Advance(seconds(1));
  EXPECT_EQ(host_.Count(IsAck), 1);
}

TEST_F(MqttLinkBrokerTest, ClearedRetainedMessagesAreNotMissed) {
  Join(host_, 5);
  broker_.ClearRetained();
  host_.pipe.reset();
  Join(host_, 6);
  EXPECT_EQ(host_.Count(IsWelcome), 2);
}

TEST_F(MqttLinkBrokerTest, ABrokerThatDropsLargePacketsStopsBlobsAndNothingElse) {
  broker_.set_max_packet(std::size_t{16} * 1024, /*announced=*/false);
  Join(host_, 5);
  v1::HubMessage blob;
  blob.mutable_blob()->set_digest(std::string(32, 'd'));
  blob.mutable_blob()->set_data(std::string(std::size_t{64} * 1024, 'x'));
  Tell(blob);
  host_.Heartbeat();
  loop_.Advance(seconds(1));
  EXPECT_EQ(host_.Count(IsBlob), 0);
  EXPECT_EQ(host_.Count(IsAck), 1);
}

TEST_F(MqttLinkBrokerTest, WhatABrokerSaysIsTooLargeTravelsInSmallerParts) {
  broker_.set_max_packet(std::size_t{8} * 1024, /*announced=*/true);
  Join(host_, 5);
  v1::HubMessage large;
  large.mutable_blob()->set_digest(std::string(32, 'd'));
  large.mutable_blob()->set_data(std::string(std::size_t{64} * 1024, 'x'));
  Tell(large);
  v1::HubMessage desired;
  desired.mutable_desired()->mutable_manifest()->set_manifest(std::string(30'000, 'm'));
  Tell(desired);
  v1::HostMessage report;
  report.mutable_status()->add_workloads()->set_message(std::string(100'000, 's'));
  host_.Say(report);
  loop_.Advance(seconds(1));
  EXPECT_EQ(host_.Count(IsBlob), 1);
  EXPECT_EQ(host_.received.back().desired().manifest().manifest().size(), 30'000U);
  EXPECT_EQ(heard_.back().status().workloads(0).message().size(), 100'000U);
  EXPECT_EQ(broker_.dropped(), 0U);
}

TEST_F(MqttLinkBrokerTest, AFullQueueLosesMessagesAndNotTheSession) {
  Join(host_, 5);
  broker_.set_max_queued(10);
  broker_.Hold(true);
  for (int i = 0; i < 100; ++i) host_.Heartbeat();
  loop_.Advance(seconds(1));
  broker_.Hold(false);
  host_.Heartbeat();
  loop_.Advance(seconds(1));
  EXPECT_GT(broker_.dropped(), 0U);
  EXPECT_GT(host_.Count(IsAck), 0);
  EXPECT_EQ(acceptor_->faults().Total() + host_.connector->faults().Total(), 0U);
}

TEST_F(MqttLinkBrokerTest, WhatCameTooLateIsNotRun) {
  Join(host_, 5);
  v1::HubMessage command;
  command.mutable_command()->set_request_id("r1");
  command.mutable_command()->set_expires(ToUnixNanos(clock_.Now() + seconds(30)));
  Tell(command);
  broker_.Hold(true);
  loop_.Advance(seconds(31));
  broker_.Hold(false);
  Tell({});
  loop_.RunReady();
  EXPECT_EQ(host_.Count([](const v1::HubMessage& m) { return m.has_command(); }), 0);
  EXPECT_EQ(host_.connector->faults().Of(EnvelopeFault::kExpired), 1U);
}

TEST_F(MqttLinkBrokerTest, ARetainedBirthProvesNothingAboutBeingAlive) {
  Join(host_, 5);
  host_.pipe.reset();
  loop_.RunReady();
  const std::size_t heard = heard_.size();
  StartHub();
  EXPECT_EQ(heard_.size(), heard);
  EXPECT_EQ(acceptor_->faults().Total(), 0U);
}

}  // namespace
}  // namespace slicelet
