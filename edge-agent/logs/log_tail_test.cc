#include "edge-agent/logs/log_tail.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "common/base/testing/temporary_directory.h"
#include "common/base/time.h"

namespace slicelet::agent {
namespace {

constexpr std::uint64_t kLimit = kMaxLogTailBytes;
constexpr std::int64_t kSecond = 1'000'000'000;
const std::int64_t kBegin = ToUnixNanos(*ParseTime("2026-11-21T06:00:00Z"));

/// The line that was written so many seconds after the beginning.
std::string Line(int second, const std::string& text = "text") {
  return FormatMicroTime(FromUnixNanos(kBegin + second * kSecond)) + " stdout F " + text + "\n";
}
std::int64_t At(int second) { return kBegin + second * kSecond; }

class LogTailTest : public testing::Test {
 protected:
  [[nodiscard]] std::string Path(const std::string& name) const { return directory_.File(name); }
  void Append(const std::string& text, const std::string& name = "0.log") {
    std::ofstream(Path(name), std::ios::app) << text;
  }
  v1::LogTail Read(std::int64_t after, std::uint64_t limit = kLimit) {
    return ReadLogTail({Path("0.log.1"), Path("0.log")}, after, limit);
  }

  TemporaryDirectory directory_;
};

TEST_F(LogTailTest, IsNothingWithoutALog) {
  const v1::LogTail tail = Read(0);
  EXPECT_EQ(tail.lines(), "");
  EXPECT_FALSE(tail.more());
}

TEST_F(LogTailTest, HoldsAllFilesAndNoLineThatIsNotEnded) {
  Append(Line(1), "0.log.1");
  Append(Line(2) + "2026-11-21T06:00:03Z stdout F unfini");
  EXPECT_EQ(Read(0).lines(), Line(1) + Line(2));
  EXPECT_FALSE(Read(0).continues());
}

TEST_F(LogTailTest, BeginsBehindWhatTheHubHas) {
  Append(Line(1), "0.log.1");
  Append(Line(2) + Line(3));
  EXPECT_EQ(Read(At(1)).lines(), Line(2) + Line(3));
  EXPECT_TRUE(Read(At(1)).continues());
  EXPECT_EQ(Read(At(3)).lines(), "");
  EXPECT_TRUE(Read(At(3)).continues()) << "nothing new is no gap";
}

TEST_F(LogTailTest, AGapIsTold) {
  Append(Line(7) + Line(8));
  const v1::LogTail tail = Read(At(3));
  EXPECT_EQ(tail.lines(), Line(7) + Line(8));
  EXPECT_FALSE(tail.continues());
}

TEST_F(LogTailTest, AClockThatWasSetBackHidesNothing) {
  Append(Line(100) + Line(101) + Line(1) + Line(2));
  EXPECT_EQ(Read(At(101)).lines(), Line(1) + Line(2));
  EXPECT_TRUE(Read(At(101)).continues());
  EXPECT_EQ(Read(At(500)).lines(), Line(100) + Line(101) + Line(1) + Line(2));
}

TEST_F(LogTailTest, TheLimitLeavesOutWholeLines) {
  Append(Line(1) + Line(2) + Line(3));
  EXPECT_EQ(Read(0, Line(2).size() + Line(3).size()).lines(), Line(3)) << "a line that was cut into is none";
  EXPECT_EQ(Read(0, Line(2).size() + Line(3).size() + 1).lines(), Line(2) + Line(3));
}

TEST_F(LogTailTest, WhatIsNoLogLineIsLeftOut) {
  Append("rubbish\n" + Line(1) + "yesterday stdout F x\n\n" + Line(2));
  EXPECT_EQ(Read(0).lines(), Line(1) + Line(2));
}

TEST_F(LogTailTest, PiecesMakeUpTheWholeEnd) {
  std::string all;
  for (int i = 0; all.size() < 2 * kLimit; ++i) all += Line(i, std::string(1000, 'x'));
  Append(all);
  std::string got;
  std::int64_t after = 0;
  int pieces = 0;
  for (bool more = true; more;) {
    const v1::LogTail tail = Read(after);
    EXPECT_EQ(tail.continues(), after != 0);
    ASSERT_LE(tail.lines().size(), kLogTailPiece);
    got += tail.lines();
    const auto last = got.rfind('\n', got.size() - 2);
    after = ToUnixNanos(*ParseTime(got.substr(last + 1, got.find(' ', last) - last - 1)));
    more = tail.more();
    ASSERT_LT(++pieces, 10);
  }
  EXPECT_EQ(got, all.substr(all.size() - got.size()));
  EXPECT_GT(got.size(), kLimit - 2 * Line(0, std::string(1000, 'x')).size());
}

TEST_F(LogTailTest, LinesOfOneTimeStayTogether) {
  const std::string long_line = std::string(10'000, 'x');
  // The fifth line would be the first of the next piece, and has the time of the fourth.
  Append(Line(1, long_line) + Line(2, long_line) + Line(3, long_line) + Line(4, long_line) +
         Line(4, long_line));
  const v1::LogTail tail = Read(0);
  EXPECT_EQ(tail.lines(), Line(1, long_line) + Line(2, long_line) + Line(3, long_line));
  EXPECT_TRUE(tail.more());
  EXPECT_EQ(Read(At(3)).lines(), Line(4, long_line) + Line(4, long_line));
}

TEST_F(LogTailTest, ALineThatIsTooLongIsCut) {
  Append(Line(1, std::string(100'000, 'x')) + Line(2));
  const v1::LogTail tail = Read(0);
  EXPECT_EQ(tail.lines().find('\n'), kMaxLogTailLine - 1);
  EXPECT_EQ(tail.lines().substr(kMaxLogTailLine), Line(2));
}

const std::vector<std::string> kNewest = {"1.log"};
const std::vector<std::string> kPrevious = {"0.log"};
const std::vector<std::string> kNone;

TEST(FilesOfInstance, ARunningOneIsTheNewestAndTheLastOneThatEndedThePrevious) {
  v1::ContainerStatus status;
  status.set_container_id("c2");
  status.mutable_state()->mutable_running();
  status.mutable_last_state()->mutable_terminated()->set_container_id("c1");
  EXPECT_EQ(FilesOfInstance(status, "c2", kNewest, kPrevious), &kNewest);
  EXPECT_EQ(FilesOfInstance(status, "c1", kNewest, kPrevious), &kPrevious);
  EXPECT_EQ(FilesOfInstance(status, "c0", kNewest, kPrevious), nullptr);
  EXPECT_EQ(FilesOfInstance(status, "", kNewest, kPrevious), nullptr);
  EXPECT_EQ(FilesOfInstance(status, "c1", kNewest, kNone), nullptr);
}

TEST(FilesOfInstance, WhatWaitsToBeStartedAgainHasTheLogOfTheOneThatEnded) {
  v1::ContainerStatus status;
  status.set_container_id("c1");
  status.mutable_state()->mutable_waiting()->set_reason("CrashLoopBackOff");
  status.mutable_last_state()->mutable_terminated()->set_container_id("c1");
  EXPECT_EQ(FilesOfInstance(status, "c1", kNewest, kPrevious), &kNewest);
  EXPECT_EQ(FilesOfInstance(status, "c1", kNone, kPrevious), &kPrevious) << "the next attempt has begun";
}

}  // namespace
}  // namespace slicelet::agent
