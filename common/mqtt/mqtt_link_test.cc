#include <gtest/gtest.h>

#include <algorithm>

#include "common/mqtt/testing/mqtt_link_fixture.h"

namespace slicelet {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

using MqttLinkTest = MqttLinkFixture;

TEST_F(MqttLinkTest, ABirthIsAConnectionAndMessagesTravelBothWays) {
  Join(host_, 5);
  EXPECT_EQ(peers_, (std::vector<std::string>{"gw-1"}));
  EXPECT_EQ(acceptor_->CertificateEnd(HostId("gw-1")),
            HubPki::FakeClockStart() + std::chrono::hours(24 * 30));
  EXPECT_EQ(acceptor_->CertificateEnd(HostId("gw-2")), std::nullopt);
  ASSERT_EQ(host_.Count(IsWelcome), 1);
  EXPECT_EQ(host_.received.front().session(), 5U);
  host_.Heartbeat();
  loop_.RunReady();
  EXPECT_EQ(host_.Count(IsAck), 1);
  EXPECT_EQ(acceptor_->faults().Total() + host_.connector->faults().Total(), 0U);
}

TEST_F(MqttLinkTest, AHostThatKnowsOnlyTheRootLearnsTheHubsKeys) {
  LinkedHost host(loop_, random_, broker_, "gw-2", std::vector<v1::KeyCertificate>());
  Join(host, 1);
  EXPECT_EQ(host.Count(IsWelcome), 1);
}

TEST_F(MqttLinkTest, ANewSessionOnTheSameConnectionIsTheSamePipe) {
  Join(host_, 5);
  host_.Birth(6);
  loop_.RunReady();
  EXPECT_EQ(peers_.size(), 1U);
  EXPECT_EQ(host_.received.back().session(), 6U);
}

TEST_F(MqttLinkTest, TheNewestManifestWaitsForAHostThatIsAway) {
  Join(host_, 5);
  host_.pipe.reset();
  v1::HubMessage desired;
  desired.mutable_desired()->mutable_manifest()->set_manifest("signed elsewhere");
  Tell(desired);
  loop_.RunReady();
  acceptor_->Stop();
  host_.received.clear();
  host_.Connect();
  loop_.RunReady();
  ASSERT_FALSE(host_.received.empty());
  EXPECT_EQ(host_.received.front().desired().manifest().manifest(), "signed elsewhere");
  // It belongs to no session: it does not prove that the hub is alive.
  EXPECT_EQ(host_.received.front().session(), 0U);
}

TEST_F(MqttLinkTest, ALargeManifestTravelsInPartsAndIsNotKept) {
  Join(host_, 5);
  v1::HubMessage desired;
  desired.mutable_desired()->mutable_manifest()->set_manifest("small");
  Tell(desired);
  desired.mutable_desired()->mutable_manifest()->set_manifest(std::string(500'000, 'm'));
  Tell(desired);
  loop_.RunReady();
  EXPECT_EQ(host_.received.back().desired().manifest().manifest().size(), 500'000U);
  EXPECT_TRUE(broker_.LastOn(MqttTopics(kHub).Of(HostId("gw-1"), "desired"))->payload.empty());
}

TEST_F(MqttLinkTest, AWillClosesItsOwnConnectionOnly) {
  Join(host_, 5);
  broker_.Cut("gw-1");
  loop_.RunReady();
  EXPECT_TRUE(host_.closed.has_value());
  // Back before the will's delay is over: it is never published.
  Join(host_, 6);
  loop_.Advance(minutes(2));
  EXPECT_EQ(closed_, 0);
  EXPECT_EQ(peers_.size(), 2U);
  broker_.Cut("gw-1");
  loop_.Advance(seconds(29));
  EXPECT_EQ(closed_, 0);
  loop_.Advance(seconds(2));
  EXPECT_EQ(closed_, 1);
}

TEST_F(MqttLinkTest, ALateWillHarmsNoNewerConnection) {
  Join(host_, 5);
  broker_.Cut("gw-1");
  loop_.Advance(minutes(1));
  EXPECT_EQ(closed_, 1);
  const MqttMessage will = *broker_.LastOn(MqttTopics(kHub).Of(HostId("gw-1"), "will"));
  Join(host_, 6);
  broker_.Inject(will);
  loop_.Advance(seconds(1));
  EXPECT_EQ(closed_, 1);
}

TEST_F(MqttLinkTest, AHostWhoseCounterWasLostLearnsWhatItMustExceed) {
  Join(host_, 4);
  Join(host_, 16);
  const MqttMessage former = *std::find_if(
      broker_.seen().begin(), broker_.seen().end(),
      [](const MqttMessage& m) { return m.topic == MqttTopics(kHub).Of(HostId("gw-1"), "birth"); });
  host_.pipe.reset();
  LinkedHost again(loop_, random_, broker_, "gw-1");
  Join(again, 1);
  ASSERT_EQ(again.Count(IsWelcome), 1);
  EXPECT_EQ(again.received.back().session(), 1U);
  EXPECT_EQ(again.received.back().welcome().session_floor(), 16U);
  again.Birth(17);
  loop_.Advance(seconds(1));
  EXPECT_EQ(again.received.back().welcome().session_floor(), 16U);
  EXPECT_EQ(again.received.back().session(), 17U);

  // Somebody repeats the first Birth: the answer is of its session, and the present one goes on.
  const std::size_t received = again.received.size();
  loop_.Advance(minutes(1));
  broker_.Inject(former);
  loop_.Advance(seconds(1));
  EXPECT_EQ(again.received.size(), received);
  again.Heartbeat();
  loop_.Advance(seconds(1));
  EXPECT_EQ(again.Count(IsAck), 1);
}

TEST_F(MqttLinkTest, AHubThatBeginsAnewIsTold) {
  Join(host_, 5);
  loop_.Advance(minutes(1));
  broker_.Cut("slicelet_hub-hub-1");
  loop_.RunReady();
  StartHub();
  loop_.Advance(seconds(3));
  // As by a floor, which the host exceeds.
  ASSERT_TRUE(host_.received.back().has_welcome());
  EXPECT_EQ(host_.received.back().welcome().session_floor(), 5U);
  host_.Birth(6);
  loop_.Advance(seconds(1));
  EXPECT_EQ(host_.received.back().session(), 6U);
  EXPECT_NE(host_.received.back().welcome().incarnation(), host_.received.front().welcome().incarnation());
}

TEST_F(MqttLinkTest, AHubThatComesAfterItsHostIsNotKeptWaiting) {
  acceptor_.reset();
  loop_.Advance(seconds(10));
  broker_.Start(/*remembers=*/false);
  host_.Connect();
  host_.Birth(5);
  loop_.Advance(seconds(1));
  StartHub();
  loop_.Advance(seconds(3));
  EXPECT_EQ(host_.received.back().welcome().session_floor(), 5U);
  host_.Birth(6);
  loop_.Advance(seconds(1));
  EXPECT_EQ(host_.received.back().session(), 6U);
  EXPECT_EQ(host_.Count(IsWelcome), 2);
}

TEST_F(MqttLinkTest, TwoHostsWithOneIdentityNeverCountAtTheSameTime) {
  // A cloned disk: the same certificate, the same counter.
  Join(host_, 5);
  LinkedHost clone(loop_, random_, broker_, "gw-1");
  Join(clone, 5);
  EXPECT_TRUE(host_.closed.has_value());
  // Its Birth is of no newer session: the hub does not count it as one, and the real host's next one does.
  EXPECT_EQ(clone.Count(IsWelcome), 0);
  Join(host_, 6);
  EXPECT_TRUE(clone.closed.has_value());
  EXPECT_EQ(host_.Count(IsWelcome), 2);
  EXPECT_EQ(peers_.size(), 2U);
}

TEST_F(MqttLinkTest, AHostThatMayNotConnectAnyMoreLeavesNothingAtTheBroker) {
  const auto kept = [this] {
    int found = 0;
    for (const char* leaf : {"birth", "desired"})
      found += broker_.Retains(MqttTopics(kHub).Of(HostId("gw-1"), leaf)) ? 1 : 0;
    return found;
  };
  Join(host_, 5);
  v1::HubMessage desired;
  desired.mutable_desired()->mutable_manifest()->set_manifest("small");
  Tell(desired);
  loop_.RunReady();
  EXPECT_EQ(kept(), 2);
  acceptor_->Forget("gw-1");
  loop_.RunReady();
  EXPECT_EQ(kept(), 0);

  // Also when the broker is away at that moment.
  Join(host_, 6);
  EXPECT_EQ(kept(), 1);
  broker_.Kill();
  loop_.RunReady();
  acceptor_->Forget("gw-1");
  broker_.Start(/*remembers=*/true);
  loop_.Advance(minutes(10));
  EXPECT_EQ(kept(), 0);
}

}  // namespace
}  // namespace slicelet
