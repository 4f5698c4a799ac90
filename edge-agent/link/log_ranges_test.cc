#include "edge-agent/link/log_ranges.h"

#include <gmock/gmock.h>

#include "common/loop/testing/sim_loop.h"

namespace slicelet::agent {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;
using testing::IsEmpty;

class LogRangesTest : public testing::Test {
 protected:
  void Ask(std::uint64_t number, const std::string& reading = "a") {
    v1::LogRange range;
    range.set_reading(reading);
    range.set_number(number);
    if (number == 1) range.mutable_head()->mutable_logs()->set_follow(true);
    ranges_.Ask("request-" + std::to_string(++requests_), range);
    loop_.RunReady();
  }
  void Write(v1::StreamFrame frame) {
    log_->Write(std::move(frame), [this](const absl::Status&) { ++written_; });
    loop_.RunReady();
  }
  void Lines(const std::string& lines) {
    v1::StreamFrame frame;
    frame.set_data(lines);
    Write(std::move(frame));
  }
  void Accept() {
    v1::StreamFrame frame;
    frame.mutable_reply();
    Write(std::move(frame));
  }
  [[nodiscard]] const v1::LogPiece& last() const { return answers_.back().log(); }

  SimLoop loop_;
  std::shared_ptr<FrameStream> log_;
  std::vector<v1::Reply> answers_;
  int requests_ = 0;
  int written_ = 0;
  LogRanges ranges_{
      loop_, [this](const v1::StreamHead&, std::shared_ptr<FrameStream> log) { log_ = std::move(log); },
      [this](const v1::Reply& reply) { answers_.push_back(reply); }};
};

TEST_F(LogRangesTest, APieceHoldsWhatWasWrittenTogether) {
  Ask(1);
  Accept();
  Lines("one\n");
  Lines("two\n");
  EXPECT_THAT(answers_, IsEmpty());
  loop_.Advance(LogRanges::kGather);
  ASSERT_EQ(answers_.size(), 1U);
  EXPECT_EQ(last().data(), "one\ntwo\n");
  EXPECT_EQ(last().number(), 1U);
  EXPECT_FALSE(last().last());
  EXPECT_EQ(answers_.back().request_id(), "request-1");
  // What was written meanwhile does not wait for more.
  Lines("three\n");
  Ask(2);
  EXPECT_EQ(last().data(), "three\n");
}

TEST_F(LogRangesTest, ASilentLogAnswersWithNothingAndGoesOn) {
  Ask(1);
  Accept();
  loop_.Advance(LogRanges::kQuiet);
  ASSERT_EQ(answers_.size(), 1U);
  EXPECT_EQ(last().data(), "");
  EXPECT_FALSE(last().last());
  Ask(2);
  Lines("late\n");
  loop_.Advance(LogRanges::kGather);
  EXPECT_EQ(last().data(), "late\n");
  EXPECT_EQ(last().number(), 2U);
}

TEST_F(LogRangesTest, TheSamePieceIsGivenAgainToWhoDidNotGetIt) {
  Ask(1);
  Accept();
  Lines("one\n");
  loop_.Advance(LogRanges::kGather);
  Lines("two\n");
  Ask(1);
  ASSERT_EQ(answers_.size(), 2U);
  EXPECT_EQ(last().data(), "one\n");
  EXPECT_EQ(answers_.back().request_id(), "request-2");
  Ask(2);
  EXPECT_EQ(last().data(), "two\n");
  // A request that was held up for long changes nothing.
  Ask(1);
  EXPECT_EQ(answers_.size(), 3U);
}

TEST_F(LogRangesTest, ALogIsReadNoFurtherAheadThanAPiece) {
  Ask(1);
  Accept();
  const int before = written_;
  const std::string frame(std::size_t{32} * 1024, 'x');
  for (int i = 0; i < 20 && written_ == before + i; ++i) Lines(frame);
  EXPECT_LT(written_ - before, 6) << "whoever writes the log waits";
  std::size_t size = 0;
  for (std::uint64_t number = 2; number < 8 && !last().last(); ++number) {
    EXPECT_LE(last().data().size(), LogRanges::kPieceBytes);
    size += last().data().size();
    if (number == 3) log_->Finish(absl::OkStatus());
    Ask(number);
  }
  EXPECT_TRUE(last().last());
  EXPECT_EQ((size + last().data().size()) % frame.size(), 0U) << "and nothing is lost";
}

TEST_F(LogRangesTest, AnEndSaysWhy) {
  Ask(1);
  v1::StreamFrame frame;
  frame.mutable_reply()->set_code(static_cast<int>(absl::StatusCode::kNotFound));
  frame.mutable_reply()->set_message("no container c");
  Write(std::move(frame));
  EXPECT_TRUE(last().last());
  EXPECT_EQ(answers_.back().code(), static_cast<int>(absl::StatusCode::kNotFound));
  EXPECT_EQ(answers_.back().message(), "no container c");

  Ask(1, "b");
  Accept();
  Lines("end\n");
  log_->Finish(absl::OkStatus());
  loop_.RunReady();
  EXPECT_EQ(last().data(), "end\n");
  EXPECT_TRUE(last().last());
  EXPECT_EQ(answers_.back().code(), 0);
}

TEST_F(LogRangesTest, AReadingEndsWhenNobodyReads) {
  Ask(1);
  Accept();
  Ask(0);
  EXPECT_EQ(ranges_.open(), 0U);
  Lines("nobody\n");
  EXPECT_THAT(answers_, IsEmpty());
  Ask(2);
  EXPECT_THAT(answers_.back().message(), HasSubstr("began anew"));

  Ask(1, "b");
  loop_.Advance(LogRanges::kAbandoned + seconds(1));
  EXPECT_EQ(ranges_.open(), 0U);
}

TEST_F(LogRangesTest, TooManyAreRefused) {
  for (std::size_t i = 0; i <= LogRanges::kMaxReadings; ++i) Ask(1, "reading-" + std::to_string(i));
  EXPECT_EQ(ranges_.open(), LogRanges::kMaxReadings);
  EXPECT_EQ(answers_.back().code(), static_cast<int>(absl::StatusCode::kResourceExhausted));
}

}  // namespace
}  // namespace slicelet::agent
