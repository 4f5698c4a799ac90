#include "common/base/time.h"

#include <gtest/gtest.h>

namespace slicelet {
namespace {

TEST(Time, FormatsWholeSecondsAsKubernetesDoes) {
  EXPECT_EQ(FormatTime(FromUnixNanos(1'767'225'600'999'999'999)), "2026-01-01T00:00:00Z");
}

TEST(Time, FormatsMicroseconds) {
  EXPECT_EQ(FormatMicroTime(FromUnixNanos(1'767'225'600'000'001'999)), "2026-01-01T00:00:00.000001Z");
}

TEST(Time, FormatsTimesBefore1970) {
  EXPECT_EQ(FormatMicroTime(FromUnixNanos(-1'000)), "1969-12-31T23:59:59.999999Z");
}

struct ParseCase {
  const char* text;
  std::int64_t nanos;
};

class ParseTimeTest : public ::testing::TestWithParam<ParseCase> {};

TEST_P(ParseTimeTest, ReadsRfc3339) {
  const auto time = ParseTime(GetParam().text);

  ASSERT_TRUE(time.ok()) << time.status();
  EXPECT_EQ(ToUnixNanos(*time), GetParam().nanos);
}

INSTANTIATE_TEST_SUITE_P(Valid, ParseTimeTest,
                         ::testing::Values(ParseCase{"2026-01-01T00:00:00Z", 1'767'225'600'000'000'000},
                                           ParseCase{"2026-01-01T02:30:00+02:30", 1'767'225'600'000'000'000},
                                           ParseCase{"2025-12-31T19:00:00-05:00", 1'767'225'600'000'000'000},
                                           ParseCase{"2026-01-01t00:00:00.5z", 1'767'225'600'500'000'000},
                                           ParseCase{"2026-01-01T00:00:00.123456789123Z",
                                                     1'767'225'600'123'456'789},
                                           ParseCase{"1970-01-01T00:00:00Z", 0}));

class BadTimeTest : public ::testing::TestWithParam<const char*> {};

TEST_P(BadTimeTest, NamesTheText) {
  const auto time = ParseTime(GetParam());

  ASSERT_FALSE(time.ok());
  EXPECT_NE(Message(time.status()).find(GetParam()), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Invalid, BadTimeTest,
                         ::testing::Values("", "2026", "2026-13-01T00:00:00Z", "2026-01-01 00:00:00Z",
                                           "2026-01-01T24:00:00Z", "2026-01-01T00:00:00",
                                           "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00+0200",
                                           "2026-01-01T00:00:00Zx"));

}  // namespace
}  // namespace slicelet
