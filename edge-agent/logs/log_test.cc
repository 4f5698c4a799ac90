#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>

#include "common/base/testing/temporary_directory.h"
#include "common/loop/asio_loop.h"
#include "common/loop/testing/run_until.h"
#include "edge-agent/logs/log_files.h"
#include "edge-agent/logs/log_stream.h"

namespace slicelet::agent {
namespace {

std::string Full(const std::string& text) { return "2026-11-21T06:31:09.037780296Z stdout F " + text; }

class LogFilesTest : public testing::Test {
 protected:
  [[nodiscard]] std::string Path(const std::string& name) const { return directory_.File(name); }
  void Append(const std::string& name, const std::string& text) {
    std::ofstream(Path(name), std::ios::app) << text;
  }

  TemporaryDirectory directory_;
};

TEST_F(LogFilesTest, ReadsWholeLinesOverAllFiles) {
  Append("0.log.1", "a\nb\n");
  Append("0.log", "c\nunfinished");
  LogFiles files({Path("0.log.1"), Path("gone"), Path("0.log")});
  EXPECT_EQ(files.Read(1000), "a\nb\nc\n");
  EXPECT_EQ(files.Read(1000), "");
  Append("0.log", " line\n");
  EXPECT_EQ(files.Read(1000), "unfinished line\n");
}

TEST_F(LogFilesTest, FollowsARotation) {
  Append("0.log", "a\n");
  LogFiles files({Path("0.log")});
  EXPECT_EQ(files.Read(1000), "a\n");
  Append("0.log", "b\n");
  std::filesystem::rename(Path("0.log"), Path("0.log.1"));
  EXPECT_EQ(files.Read(1000), "b\n");
  Append("0.log.1", "c\n");
  Append("0.log", "d\n");
  EXPECT_EQ(files.Read(1000), "c\nd\n");
}

TEST_F(LogFilesTest, SkipsNoFileHoweverOftenTheLogIsRotatedMeanwhile) {
  Append("0.log", "a\nb\n");
  LogFiles files({Path("0.log")});
  EXPECT_EQ(files.Read(2), "a\n");
  std::filesystem::rename(Path("0.log"), Path("0.log.1"));
  Append("0.log", "c\n");
  std::filesystem::rename(Path("0.log"), Path("0.log.2"));
  Append("0.log", "d\n");
  EXPECT_EQ(files.Read(1000), "b\nc\nd\n");
  EXPECT_EQ(files.Read(1000), "");
}

TEST_F(LogFilesTest, ReadsOnWhereTheRuntimeWritesUntilTheLogIsMadeAnew) {
  Append("0.log.1", "a\n");
  LogFiles files({Path("0.log.1"), Path("0.log")});
  EXPECT_EQ(files.Read(1000), "a\n");
  EXPECT_EQ(files.Read(1000), "");
  Append("0.log.1", "b\n");
  EXPECT_EQ(files.Read(1000), "b\n");
  Append("0.log", "c\n");
  EXPECT_EQ(files.Read(1000), "c\n");
}

TEST_F(LogFilesTest, WhatIsGoneWhileItIsReadIsFollowedByTheOldestThatIsLeft) {
  Append("0.log", "a\nb\n");
  LogFiles files({Path("0.log")});
  EXPECT_EQ(files.Read(2), "a\n");
  std::filesystem::remove(Path("0.log"));
  Append("0.log.2", "c\n");
  Append("0.log", "d\n");
  EXPECT_EQ(files.Read(1000), "b\nc\nd\n");
}

TEST_F(LogFilesTest, OtherAttemptsAreNotRead) {
  Append("1.log", "one\n");
  Append("10.log.1", "ten\n");
  Append("1.log.1", "old\n");
  LogFiles files({Path("1.log.1"), Path("1.log")});
  EXPECT_EQ(files.Read(1000), "old\none\n");
}

TEST_F(LogFilesTest, TheTailIsOfTheFileThatItWasFoundInThoughItIsRotated) {
  Append("0.log", "1\n2\n3\n");
  LogFiles files({Path("0.log")});
  files.SeekToTail(1);
  std::filesystem::rename(Path("0.log"), Path("0.log.1"));
  Append("0.log", "4\n5\n");
  EXPECT_EQ(files.Read(1000), "3\n4\n5\n");
}

struct Tail {
  std::uint64_t lines;
  std::string expected;
};
class LogTail : public LogFilesTest, public testing::WithParamInterface<Tail> {};
TEST_P(LogTail, BeginsThatManyLinesBeforeTheEnd) {
  Append("0.log.1", "1\n2\n");
  Append("0.log", "3\n4\n");
  LogFiles files({Path("0.log.1"), Path("0.log")});
  files.SeekToTail(GetParam().lines);
  EXPECT_EQ(files.Read(1000), GetParam().expected);
}
INSTANTIATE_TEST_SUITE_P(All, LogTail,
                         testing::Values(Tail{0, ""}, Tail{1, "4\n"}, Tail{2, "3\n4\n"}, Tail{3, "2\n3\n4\n"},
                                         Tail{4, "1\n2\n3\n4\n"}, Tail{9, "1\n2\n3\n4\n"}));

TEST_F(LogFilesTest, FindsTheTailOfALargeFile) {
  std::string text;
  for (int i = 0; i < 100'000; ++i) text += std::to_string(i) + "\n";
  Append("0.log", text);
  LogFiles files({Path("0.log")});
  files.SeekToTail(50'000);
  EXPECT_EQ(files.Read(6), "50000\n");
}

class LogStreamTest : public LogFilesTest {
 protected:
  void Serve(const v1::LogOptions& options) {
    auto [server, client] = MakeLocalFrameStreams(loop_);
    client_ = std::move(client);
    ServeLogs(loop_, clock_, *watcher_, options, [this] { return source_; }, std::move(server));
    Next();
  }
  void Next() {
    client_->Read([this](const absl::StatusOr<std::optional<v1::StreamFrame>>& frame) {
      if (!frame.ok() || !*frame) {
        ended_ = true;
        return;
      }
      if ((*frame)->has_reply()) reply_ = (*frame)->reply();
      text_ += (*frame)->data();
      Next();
    });
  }
  bool Until(const std::function<bool()>& holds) { return RunLoopUntil(loop_, holds); }

  AsioLoop loop_;
  SystemClock clock_;
  std::unique_ptr<LogWatcher> watcher_ = MakeLogWatcher(loop_);
  absl::StatusOr<LogSource> source_ = LogSource{};
  std::unique_ptr<FrameStream> client_;
  std::optional<v1::StreamReply> reply_;
  std::string text_;
  bool ended_ = false;
};

TEST_F(LogStreamTest, SendsWhatThereIsAndEnds) {
  std::string expected;
  for (int i = 0; i < 20'000; ++i) {
    Append("0.log", Full("line " + std::to_string(i)) + "\n");
    expected += "line " + std::to_string(i) + "\n";
  }
  source_ = LogSource{{Path("0.log")}, true};
  Serve({});
  ASSERT_TRUE(Until([&] { return ended_; }));
  ASSERT_TRUE(reply_);
  EXPECT_EQ(reply_->code(), 0);
  EXPECT_EQ(text_, expected);
}

TEST_F(LogStreamTest, RepliesWithTheErrorOfAnUnknownContainer) {
  source_ = absl::NotFoundError("no container x");
  Serve({});
  ASSERT_TRUE(Until([&] { return ended_; }));
  EXPECT_EQ(reply_->code(), static_cast<int>(absl::StatusCode::kNotFound));
  EXPECT_EQ(reply_->message(), "no container x");
}

TEST_F(LogStreamTest, FollowsUntilTheContainerStops) {
  Append("0.log", Full("a") + "\n");
  source_ = LogSource{{Path("0.log")}, true};
  v1::LogOptions options;
  options.set_follow(true);
  Serve(options);
  ASSERT_TRUE(Until([&] { return text_ == "a\n"; }));
  Append("0.log", Full("b") + "\n");
  ASSERT_TRUE(Until([&] { return text_ == "a\nb\n"; }));
  std::filesystem::rename(Path("0.log"), Path("0.log.1"));
  Append("0.log", Full("c") + "\n");
  ASSERT_TRUE(Until([&] { return text_ == "a\nb\nc\n"; }));
  EXPECT_FALSE(ended_);
  source_->running = false;
  ASSERT_TRUE(Until([&] { return ended_; }));
}

TEST_F(LogStreamTest, FollowingThatBeginsInTheMiddleOfARotationGoesOn) {
  Append("0.log.1", Full("a") + "\n");
  source_ = LogSource{{Path("0.log.1"), Path("0.log")}, true};
  v1::LogOptions options;
  options.set_follow(true);
  Serve(options);
  ASSERT_TRUE(Until([&] { return text_ == "a\n"; }));
  Append("0.log.1", Full("b") + "\n");
  ASSERT_TRUE(Until([&] { return text_ == "a\nb\n"; }));
  Append("0.log", Full("c") + "\n");
  ASSERT_TRUE(Until([&] { return text_ == "a\nb\nc\n"; }));
  EXPECT_FALSE(ended_);
  source_->running = false;
  ASSERT_TRUE(Until([&] { return ended_; }));
}

TEST_F(LogStreamTest, StopsFollowingWhenTheReaderGoes) {
  Append("0.log", Full("a") + "\n");
  source_ = LogSource{{Path("0.log")}, true};
  v1::LogOptions options;
  options.set_follow(true);
  Serve(options);
  ASSERT_TRUE(Until([&] { return text_ == "a\n"; }));
  client_->Finish(absl::OkStatus());
  EXPECT_TRUE(Until([&] { return ended_; }));
}

}  // namespace
}  // namespace slicelet::agent
