#include "common/logs/log_line.h"

#include <gtest/gtest.h>

#include <vector>

namespace slicelet {
namespace {

constexpr char kTime[] = "2026-11-21T06:31:09.037780296Z";

std::string Show(const v1::LogOptions& options, const std::vector<std::string>& lines) {
  LogFormatter formatter(options, *ParseTime("2026-11-21T06:31:19Z"));
  std::string out;
  for (const auto& line : lines) formatter.Add(line, out);
  return out;
}

std::string Full(const std::string& text, const std::string& time = kTime) {
  return time + " stdout F " + text;
}
std::string Partial(const std::string& text) { return std::string(kTime) + " stdout P " + text; }

TEST(LogLine, IsTakenApart) {
  const std::string line = std::string(kTime) + " stderr P a b ";
  const auto parsed = ParseLogLine(line);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->timestamp, kTime);
  EXPECT_EQ(parsed->stream, "stderr");
  EXPECT_TRUE(parsed->partial);
  EXPECT_EQ(parsed->text, "a b ");
  EXPECT_TRUE(ParseLogLine(std::string(kTime) + " stdout F"));
  EXPECT_TRUE(ParseLogLine(std::string(kTime) + " stdout F:x text"));
}

class NoLogLine : public testing::TestWithParam<const char*> {};
TEST_P(NoLogLine, IsRefused) { EXPECT_FALSE(ParseLogLine(GetParam())); }
INSTANTIATE_TEST_SUITE_P(All, NoLogLine,
                         testing::Values("", " ", "x", "2026 stdout", "2026 stdin F x", "2026 stdout Q x",
                                         " stdout F x"));

TEST(LogFormatter, JoinsPartialLines) {
  EXPECT_EQ(Show({}, {Partial("a"), Partial("b"), Full("c"), Full("d")}), "abc\nd\n");
}

TEST(LogFormatter, PutsOneTimestampBeforeAJoinedLine) {
  v1::LogOptions options;
  options.set_timestamps(true);
  EXPECT_EQ(Show(options, {Partial("a"), Full("b")}), std::string(kTime) + " ab\n");
}

TEST(LogFormatter, LeavesOutWhatIsOlder) {
  v1::LogOptions options;
  options.set_since_seconds(5);
  EXPECT_EQ(Show(options, {Full("old", "2026-11-21T06:31:13Z"), Full("new", "2026-11-21T06:31:14Z")}),
            "new\n");
  v1::LogOptions time;
  time.set_since_time(ToUnixNanos(*ParseTime("2026-11-21T06:31:13.5Z")));
  EXPECT_EQ(Show(time, {Full("old", "2026-11-21T06:31:13Z"), Full("new", "2026-11-21T06:31:14Z")}), "new\n");
}

TEST(LogFormatter, StopsAtTheByteLimit) {
  v1::LogOptions options;
  options.set_limit_bytes(5);
  EXPECT_EQ(Show(options, {Full("abc"), Full("def")}), "abc\nd");
}

}  // namespace
}  // namespace slicelet
