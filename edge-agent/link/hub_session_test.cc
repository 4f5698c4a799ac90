#include "edge-agent/link/hub_session.h"

#include <gtest/gtest.h>

#include "edge-agent/link/testing/hub_session_fixture.h"

namespace slicelet::agent {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using HubSessionTest = HubSessionFixture;

TEST_F(HubSessionTest, SaysBirthOnlyWhenTheSessionCounterIsDurable) {
  store_.SetStalled(true);
  StartAgent();
  Run(seconds(2));
  EXPECT_EQ(Count(v1::HostMessage::kBirth), 0);
  store_.SetStalled(false);
  Run();
  ASSERT_EQ(Count(v1::HostMessage::kBirth), 1);
  EXPECT_EQ(session(), 1u);
  EXPECT_EQ(store_.settings().session(), 1u);
  EXPECT_TRUE(Last(v1::HostMessage::kBirth)->birth().amnesiac());
  EXPECT_EQ(Last(v1::HostMessage::kBirth)->birth().nonce().size(), 16u);
}

TEST_F(HubSessionTest, SaysBirthAgainUntilWelcomed) {
  StartAgent();
  Run(seconds(15));
  EXPECT_EQ(Count(v1::HostMessage::kBirth), 2);
  Say(Welcome());
  Run(minutes(2));
  EXPECT_EQ(Count(v1::HostMessage::kBirth), 2);
}

TEST_F(HubSessionTest, GoesOnAboveTheHubsSessionFloor) {
  StartAgent();
  Run();
  auto welcome = Welcome();
  welcome.mutable_welcome()->set_session_floor(41);
  Say(welcome);
  EXPECT_FALSE(session_->connected());
  EXPECT_EQ(session(), 42u);
  EXPECT_EQ(store_.settings().session(), 42u);
  Say(welcome);
  EXPECT_TRUE(session_->connected());
}

TEST_F(HubSessionTest, AWelcomeThatAnswersAStoreWhichIsLostOnlyRaisesTheSession) {
  StartAgent();
  Run();
  // A broker kept it: it is of a session of the same number, before the store was lost.
  auto old = Welcome();
  old.mutable_welcome()->set_nonce("of the former store");
  old.mutable_welcome()->set_hub_time(1);
  Say(old);
  EXPECT_FALSE(session_->connected());
  EXPECT_EQ(store_.settings().hub_time(), 0);
  old.mutable_welcome()->set_session_floor(session());
  Say(old);
  EXPECT_FALSE(session_->connected());
  EXPECT_EQ(session(), 2u);
  Say(Welcome());
  EXPECT_TRUE(session_->connected());
}

TEST_F(HubSessionTest, BeginsAgainOnTheSameConnectionWhenTheHubDoes) {
  StartAgent();
  runner_->statuses[PodUid("a")].set_uid("a");
  Run();
  Say(Welcome());
  ASSERT_TRUE(session_->connected());
  const auto first = session();
  auto again = Welcome();
  again.mutable_welcome()->set_session_floor(first);
  Say(again);
  EXPECT_FALSE(session_->connected());
  EXPECT_EQ(session(), first + 1);
  Say(Welcome());
  EXPECT_TRUE(session_->connected());
  // It is a whole new session: sequences begin at 1, everything is reported, and no Birth is sent again.
  loop_.Advance(minutes(1));
  const int births = Count(v1::HostMessage::kBirth);
  EXPECT_EQ(births, 2);
  EXPECT_TRUE(session_->connected());
}

TEST_F(HubSessionTest, WhatABrokerKeptIsNoSignOfLife) {
  ConnectAndWelcome();
  v1::HubMessage kept;
  kept.mutable_desired();
  kept.set_session(0);
  for (int i = 0; i < 10 && session_->connected(); ++i) {
    pipe_->Send(kept);
    loop_.Advance(seconds(30));
  }
  EXPECT_FALSE(session_->connected());
}

TEST_F(HubSessionTest, IgnoresMessagesOfOtherSessions) {
  Settle();
  auto message = Signed(Manifest(1, 2));
  message.set_session(session() + 1);
  pipe_->Send(message);
  Run();
  EXPECT_EQ(session_->accepted(), (Generation{1, 1}));
}

TEST_F(HubSessionTest, LeavesAHubThatIsSilentAndComesBack) {
  Settle();
  Run(minutes(5));
  EXPECT_TRUE(closed_);
  EXPECT_GT(Count(v1::HostMessage::kHeartbeat), 1);
  EXPECT_GT(session(), 1u);
}

TEST_F(HubSessionTest, AsksABusyHubForItsTimeSoThatAClockSetBackStopsNoCommands) {
  Settle({"a"});
  // It was right when the hub welcomed the host, and is set back by an hour.
  const auto hub_clock = [this] { return clock_.Now() - minutes(60); };
  const auto wants_ack = [](const v1::HostMessage& m) {
    return m.has_heartbeat() && m.heartbeat().want_ack();
  };
  std::ptrdiff_t answered = 0;
  for (int i = 0; i < 14; ++i) {
    Run(seconds(20));
    runner_->Change("a", i % 2 == 0 ? v1::PHASE_RUNNING : v1::PHASE_PENDING);
    Run();
    v1::HubMessage ack;
    ack.mutable_status_ack()->set_sequence(Last(v1::HostMessage::kStatus)->status().sequence());
    Say(ack);
    if (std::count_if(heard_.begin(), heard_.end(), wants_ack) == answered) continue;
    ++answered;
    v1::HubMessage told;
    told.mutable_heartbeat_ack()->set_hub_time(ToUnixNanos(hub_clock()));
    Say(told);
  }
  EXPECT_EQ(answered, 1);
  v1::HubMessage command;
  command.mutable_command()->set_request_id("r1");
  command.mutable_command()->set_expires(ToUnixNanos(hub_clock() + seconds(15)));
  command.mutable_command()->mutable_manifest_bytes();
  Say(command);
  ASSERT_NE(Last(v1::HostMessage::kReply), nullptr);
  EXPECT_TRUE(Last(v1::HostMessage::kReply)->reply().has_manifest())
      << Last(v1::HostMessage::kReply)->reply().message();
}

TEST_F(HubSessionTest, LeavesAForeignHub) {
  StartAgent();
  Run();
  auto welcome = Welcome();
  welcome.mutable_welcome()->set_hub_id("another");
  Say(welcome);
  EXPECT_FALSE(session_->connected());
  EXPECT_TRUE(closed_);
}

TEST_F(HubSessionTest, WaitsAsTheHubDirectsBeforeItReconnects) {
  StartAgent();
  Run();
  auto welcome = Welcome();
  welcome.mutable_welcome()->set_reconnect_wait_ms(600'000);
  Say(welcome);
  heard_.clear();
  link_.Break("gw-1");
  Run(minutes(9));
  EXPECT_EQ(Count(v1::HostMessage::kBirth), 0);
  Run(minutes(2));
  EXPECT_GE(Count(v1::HostMessage::kBirth), 1);
}

TEST_F(HubSessionTest, SaysGoodbye) {
  Settle();
  bool done = false;
  session_->Stop("shutdown", [&] { done = true; });
  Run(seconds(2));
  EXPECT_TRUE(done);
  ASSERT_NE(Last(v1::HostMessage::kGoodbye), nullptr);
  EXPECT_EQ(Last(v1::HostMessage::kGoodbye)->goodbye().reason(), "shutdown");
}

TEST_F(HubSessionTest, ConvergesOverALinkThatLosesDoublesAndReorders) {
  LinkFaults faults;
  faults.drop = 200'000;
  faults.duplicate = 200'000;
  faults.reorder = 200'000;
  faults.max_delay = milliseconds(300);
  link_.SetFaults(faults);
  StartAgent();
  // A hub that answers Births and repeats its newest manifest.
  for (int i = 0; i < 200 && session_->accepted() != Generation{1, 3}; ++i) {
    Run(seconds(1));
    const auto* birth = Last(v1::HostMessage::kBirth);
    if (birth == nullptr) continue;
    nonce_ = birth->birth().nonce();
    Say(Welcome());
    Say(Signed(Manifest(1, 1 + static_cast<std::uint64_t>(i) % 3)));
  }
  EXPECT_EQ(session_->accepted(), (Generation{1, 3}));
}

}  // namespace
}  // namespace slicelet::agent
