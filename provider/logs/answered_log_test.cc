#include "provider/logs/answered_log.h"

#include <gtest/gtest.h>

#include "common/loop/testing/sim_loop.h"

namespace slicelet::provider {
namespace {

class AnsweredLogTest : public testing::Test {
 protected:
  AnsweredLogTest() {
    auto [reader, hub] = MakeLocalFrameStreams(loop_, 1);
    reader_ = std::move(reader);
    hub_ = std::move(hub);
  }
  void Reply(FrameStream& stream, absl::StatusCode code) {
    v1::StreamFrame frame;
    frame.mutable_reply()->set_code(static_cast<int>(code));
    stream.Write(std::move(frame), [this](const absl::Status& status) { written_ = status; });
    Read();
  }
  void Read() {
    reader_->Read([this](const absl::StatusOr<std::optional<v1::StreamFrame>>& frame) {
      if (!frame.ok() || !*frame) {
        end_ = frame.status();
        return;
      }
      if ((*frame)->has_reply()) code_ = (*frame)->reply().code();
      EXPECT_LE((*frame)->data().size(), 32U * 1024);
      text_ += (*frame)->data();
      Read();
    });
    loop_.RunReady();
  }

  SimLoop loop_;
  std::shared_ptr<FrameStream> reader_;
  std::shared_ptr<FrameStream> hub_;
  std::optional<absl::Status> written_;
  std::optional<int> code_;
  std::string text_;
  std::optional<absl::Status> end_;
};

TEST_F(AnsweredLogTest, SendsAllOfItAndEnds) {
  const std::string text(100'000, 'x');
  AnswerLog(std::move(hub_), text);
  Read();
  EXPECT_EQ(code_, 0);
  EXPECT_EQ(text_, text);
  EXPECT_EQ(end_, absl::OkStatus());
}

TEST_F(AnsweredLogTest, AReaderThatGoesEndsIt) {
  AnswerLog(std::move(hub_), std::string(100'000, 'x'));
  reader_.reset();
  loop_.RunReady();
}

TEST_F(AnsweredLogTest, AHostThatCanNotBeReachedIsAnsweredFor) {
  for (const auto code : {absl::StatusCode::kUnavailable, absl::StatusCode::kDeadlineExceeded}) {
    auto [reader, hub] = MakeLocalFrameStreams(loop_, 1);
    reader_ = std::move(reader);
    text_.clear();
    end_.reset();
    const auto stream =
        OrElseAnswer(loop_, std::move(hub), [] { return std::optional<std::string>("kept"); });
    Reply(*stream, code);
    stream->Finish(absl::OkStatus());
    loop_.RunReady();
    EXPECT_EQ(written_, absl::OkStatus());
    EXPECT_EQ(code_, 0);
    EXPECT_EQ(text_, "kept");
    EXPECT_EQ(end_, absl::OkStatus());
  }
}

TEST_F(AnsweredLogTest, AHostThatSaysNothingIsNotWaitedFor) {
  const auto stream = OrElseAnswer(loop_, std::move(hub_), [] { return std::optional<std::string>("kept"); });
  Read();
  loop_.Advance(kAnswerLogWithin - std::chrono::seconds(1));
  EXPECT_FALSE(code_);
  loop_.Advance(std::chrono::seconds(1));
  EXPECT_EQ(code_, 0);
  EXPECT_EQ(text_, "kept");
  // The host, late.
  v1::StreamFrame frame;
  frame.mutable_reply();
  stream->Write(std::move(frame), [this](const absl::Status& status) { written_ = status; });
  EXPECT_TRUE(absl::IsCancelled(*written_));
}

TEST_F(AnsweredLogTest, AHostThatIsSlowIsWaitedForWithoutAnythingKept) {
  const auto stream = OrElseAnswer(loop_, std::move(hub_), [] { return std::optional<std::string>(); });
  loop_.Advance(2 * kAnswerLogWithin);
  Reply(*stream, absl::StatusCode::kOk);
  EXPECT_EQ(code_, 0);
}

TEST_F(AnsweredLogTest, OtherAnswersStay) {
  const auto stream = OrElseAnswer(loop_, std::move(hub_), [] { return std::optional<std::string>("kept"); });
  Reply(*stream, absl::StatusCode::kNotFound);
  EXPECT_EQ(code_, static_cast<int>(absl::StatusCode::kNotFound));
  EXPECT_EQ(text_, "");
}

TEST_F(AnsweredLogTest, WithoutAnythingKeptTheErrorStays) {
  const auto stream = OrElseAnswer(loop_, std::move(hub_), [] { return std::optional<std::string>(); });
  Reply(*stream, absl::StatusCode::kUnavailable);
  EXPECT_EQ(code_, static_cast<int>(absl::StatusCode::kUnavailable));
}

TEST_F(AnsweredLogTest, AfterAnOkNothingIsAnsweredOtherwise) {
  const auto stream = OrElseAnswer(loop_, std::move(hub_), [] { return std::optional<std::string>("kept"); });
  Reply(*stream, absl::StatusCode::kOk);
  v1::StreamFrame frame;
  frame.set_data("live");
  stream->Write(std::move(frame), [](const absl::Status&) {});
  stream->Finish(absl::UnavailableError("cut"));
  loop_.RunReady();
  EXPECT_EQ(text_, "live");
  EXPECT_EQ(end_->code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace slicelet::provider
