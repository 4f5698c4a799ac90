#include "edge-agent/link/status_reporter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "edge-agent/link/testing/hub_session_fixture.h"

namespace slicelet::agent {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using StatusReporterTest = HubSessionFixture;

TEST_F(StatusReporterTest, ReportsEverythingWhenWelcomed) {
  StartAgent();
  runner_->statuses[PodUid("a")].set_uid("a");
  Run();
  Say(Welcome());
  const auto* status = Last(v1::HostMessage::kStatus);
  ASSERT_NE(status, nullptr);
  EXPECT_TRUE(status->status().full());
  EXPECT_EQ(status->status().sequence(), 1u);
  ASSERT_EQ(status->status().workloads_size(), 1);
  EXPECT_TRUE(status->status().has_node());
}

TEST_F(StatusReporterTest, AHostWithoutAManifestTellsWhatRunsOnceItKnows) {
  ConnectAndWelcome();
  ASSERT_NE(Last(v1::HostMessage::kStatus), nullptr);
  EXPECT_FALSE(Last(v1::HostMessage::kStatus)->status().has_unexplained());
  runner_->unexplained.emplace({PodUid("a")});
  runner_->changed({}, false);
  Run();
  ASSERT_TRUE(Last(v1::HostMessage::kStatus)->status().has_unexplained());
  ASSERT_EQ(Last(v1::HostMessage::kStatus)->status().unexplained().uids_size(), 1);
  EXPECT_EQ(Last(v1::HostMessage::kStatus)->status().unexplained().uids(0), "a");
}

TEST_F(StatusReporterTest, CoalescesChangesButSendsUrgentOnesAtOnce) {
  Settle();
  Run(seconds(1));
  heard_.clear();
  runner_->Change("a", v1::PHASE_PENDING);
  runner_->Change("b", v1::PHASE_PENDING);
  Run(milliseconds(1));
  EXPECT_EQ(Count(v1::HostMessage::kStatus), 1);
  EXPECT_EQ(heard_.back().status().workloads_size(), 2);
  runner_->Change("a", v1::PHASE_RUNNING);
  Run(milliseconds(10));
  EXPECT_EQ(Count(v1::HostMessage::kStatus), 1);
  runner_->Change("b", v1::PHASE_FAILED, true);
  Run(milliseconds(1));
  EXPECT_EQ(Count(v1::HostMessage::kStatus), 2);
  EXPECT_EQ(heard_.back().status().workloads_size(), 2);
  EXPECT_FALSE(heard_.back().status().full());
}

TEST_F(StatusReporterTest, SendsAgainWhatIsNotAcknowledged) {
  ConnectAndWelcome();
  EXPECT_EQ(Count(v1::HostMessage::kStatus), 1);
  Run(seconds(11));
  EXPECT_EQ(Count(v1::HostMessage::kStatus), 2);
  EXPECT_TRUE(Last(v1::HostMessage::kStatus)->status().full());
  v1::HubMessage ack;
  ack.mutable_status_ack()->set_sequence(2);
  Say(ack);
  Run(seconds(50));
  EXPECT_EQ(Count(v1::HostMessage::kStatus), 2);
}

TEST_F(StatusReporterTest, AHubThatIsOneReportBehindAllTheTimeIsSentNothingAgain) {
  Settle();
  const auto ack = [this](std::uint64_t sequence) {
    v1::HubMessage message;
    message.set_session(session());
    message.mutable_status_ack()->set_sequence(sequence);
    pipe_->Send(std::move(message));
  };
  for (int i = 0; i < 600; ++i) {
    runner_->Change("a", i % 2 == 0 ? v1::PHASE_RUNNING : v1::PHASE_PENDING);
    Run(milliseconds(100));
    ack(Last(v1::HostMessage::kStatus)->status().sequence() - 1);
  }
  EXPECT_GT(Count(v1::HostMessage::kStatus), 500);
  const auto full = [this] {
    return std::count_if(heard_.begin(), heard_.end(), [](const v1::HostMessage& message) {
      return message.has_status() && message.status().full();
    });
  };
  EXPECT_EQ(full(), 1);
  // Once it is silent the last one counts as lost.
  Run(seconds(11));
  EXPECT_EQ(full(), 2);
}

TEST_F(StatusReporterTest, ReportsInFullWhenTheHubSawAGap) {
  Settle();
  runner_->Change("a", v1::PHASE_RUNNING);
  Run();
  Resync();
  EXPECT_TRUE(Last(v1::HostMessage::kStatus)->status().full());
  EXPECT_EQ(Last(v1::HostMessage::kStatus)->status().workloads_size(), 1);
}

TEST_F(StatusReporterTest, WhatIsTooLargeForOneReportGoesOnInTheNext) {
  constexpr std::size_t kMessageBound = std::size_t{4} << 20;
  Settle();
  for (const char* uid : {"a", "b", "c", "d", "e"}) {
    runner_->statuses[PodUid(uid)].set_uid(uid);
    runner_->statuses[PodUid(uid)].set_message(std::string(kMessageBound / 3, 'x'));
  }
  const std::size_t earlier = heard_.size();
  Resync();
  std::vector<std::string> uids;
  std::uint64_t before = 0;
  ASSERT_GT(heard_.size(), earlier + 1);
  for (std::size_t i = earlier; i < heard_.size(); ++i) {
    const v1::HostMessage& message = heard_[i];
    ASSERT_TRUE(message.has_status());
    const v1::StatusReport& report = message.status();
    EXPECT_LT(message.ByteSizeLong(), kMessageBound);
    EXPECT_EQ(report.full(), before == 0);
    EXPECT_EQ(report.has_node(), before == 0);
    EXPECT_TRUE(before == 0 || report.sequence() == before + 1);
    before = report.sequence();
    for (const auto& workload : report.workloads()) uids.push_back(workload.uid());
  }
  EXPECT_THAT(uids, testing::ElementsAre("a", "b", "c", "d", "e"));
}

}  // namespace
}  // namespace slicelet::agent
