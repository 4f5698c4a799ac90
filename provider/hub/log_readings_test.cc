#include "provider/hub/log_readings.h"

#include <gmock/gmock.h>

#include "common/base/testing/fake_clock.h"
#include "common/loop/testing/sim_loop.h"

namespace slicelet::provider {
namespace {

using testing::HasSubstr;

class LogReadingsTest : public testing::Test {
 protected:
  void Open() {
    auto [ours, theirs] = MakeLocalFrameStreams(loop_);
    client_ = std::move(ours);
    v1::StreamHead head;
    head.set_uid("u1");
    head.mutable_logs()->set_follow(true);
    readings_.Open(HostId("gw-1"), head, std::move(theirs));
    Read();
  }
  void Read() {
    client_->Read([this](const absl::StatusOr<std::optional<v1::StreamFrame>>& frame) {
      if (!frame.ok() || !*frame) {
        end_ = frame.status();
        return;
      }
      if ((*frame)->has_reply()) reply_ = (*frame)->reply();
      text_ += (*frame)->data();
      Read();
    });
    loop_.RunReady();
  }
  void Answer(std::uint64_t number, const std::string& data, bool last = false,
              absl::StatusCode code = absl::StatusCode::kOk, const std::string& host = "gw-1") {
    v1::Reply reply;
    reply.set_code(static_cast<int>(code));
    reply.set_message("why");
    reply.mutable_log()->set_reading(asked_.back().reading());
    reply.mutable_log()->set_number(number);
    reply.mutable_log()->set_data(data);
    reply.mutable_log()->set_last(last);
    readings_.OnReply(HostId(host), reply);
    loop_.RunReady();
  }

  SimLoop loop_;
  FakeClock clock_{loop_};
  SeededRandom random_{1};
  std::vector<v1::LogRange> asked_;
  std::shared_ptr<FrameStream> client_;
  std::optional<v1::StreamReply> reply_;
  std::string text_;
  std::optional<absl::Status> end_;
  LogReadings readings_{loop_, clock_, random_, [this](const HostId& host, const v1::Command& command) {
                          EXPECT_EQ(host, HostId("gw-1"));
                          EXPECT_GT(command.expires(), ToUnixNanos(clock_.Now()));
                          asked_.push_back(command.log_range());
                        }};
};

TEST_F(LogReadingsTest, PieceAfterPieceUntilTheLast) {
  Open();
  ASSERT_EQ(asked_.size(), 1U);
  EXPECT_EQ(asked_[0].number(), 1U);
  EXPECT_EQ(asked_[0].head().uid(), "u1");
  const std::string large(100'000, 'x');
  Answer(1, large);
  ASSERT_TRUE(reply_ && reply_->code() == 0);
  EXPECT_EQ(text_, large);
  EXPECT_EQ(asked_.back().number(), 2U);
  EXPECT_FALSE(asked_.back().has_head());
  Answer(2, "");
  Answer(3, "end\n", /*last=*/true);
  EXPECT_EQ(text_, large + "end\n");
  ASSERT_TRUE(end_ && end_->ok());
  EXPECT_EQ(asked_.back().number(), 0U) << "the host may forget it";
  EXPECT_EQ(readings_.open(), 0U);
}

TEST_F(LogReadingsTest, WhatIsSaidTwiceCountsOnce) {
  Open();
  Answer(1, "one\n");
  Answer(1, "one\n");
  Answer(2, "forged\n", false, absl::StatusCode::kOk, "gw-2");
  EXPECT_EQ(text_, "one\n");
  EXPECT_EQ(asked_.size(), 2U);
}

TEST_F(LogReadingsTest, ALostAnswerIsAskedForAgainAndThreeEndTheReading) {
  Open();
  loop_.Advance(LogReadings::kAnswerWithin);
  ASSERT_EQ(asked_.size(), 2U);
  EXPECT_EQ(asked_[1].number(), 1U);
  EXPECT_TRUE(asked_[1].has_head());
  Answer(1, "one\n");
  for (int i = 0; i < LogReadings::kMaxAttempts; ++i) loop_.Advance(LogReadings::kAnswerWithin);
  ASSERT_TRUE(end_);
  EXPECT_TRUE(absl::IsDeadlineExceeded(*end_));
  EXPECT_THAT(Message(*end_), HasSubstr("gw-1 does not answer"));
}

TEST_F(LogReadingsTest, ARefusalIsTheReply) {
  Open();
  Answer(1, "", /*last=*/true, absl::StatusCode::kNotFound);
  ASSERT_TRUE(reply_);
  EXPECT_EQ(reply_->code(), static_cast<int>(absl::StatusCode::kNotFound));
  EXPECT_EQ(reply_->message(), "why");
  EXPECT_EQ(readings_.open(), 0U);
}

TEST_F(LogReadingsTest, AReaderThatGoesEndsTheReadingOnTheHost) {
  Open();
  Answer(1, "one\n");
  client_.reset();
  loop_.RunReady();
  EXPECT_EQ(readings_.open(), 0U);
  EXPECT_EQ(asked_.back().number(), 0U);
}

TEST_F(LogReadingsTest, AHostThatGoesEndsItsReadings) {
  Open();
  readings_.Close(HostId("gw-2"), absl::UnavailableError("gone"));
  EXPECT_EQ(readings_.open(), 1U);
  readings_.Close(HostId("gw-1"), absl::UnavailableError("gone"));
  loop_.RunReady();
  EXPECT_EQ(readings_.open(), 0U);
  EXPECT_EQ(reply_->message(), "gone");
}

}  // namespace
}  // namespace slicelet::provider
