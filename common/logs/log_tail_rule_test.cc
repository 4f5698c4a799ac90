#include "common/logs/log_tail_rule.h"

#include <gtest/gtest.h>

namespace slicelet {
namespace {

struct Case {
  const char* text;
  bool at_exit;
  std::int64_t every_ms;
};
class LogTailRule : public testing::TestWithParam<Case> {};
TEST_P(LogTailRule, IsRead) {
  const auto rule = ParseLogTailRule(GetParam().text);
  ASSERT_TRUE(rule.ok()) << rule.status();
  EXPECT_EQ(rule->at_exit(), GetParam().at_exit);
  EXPECT_EQ(rule->every_ms(), GetParam().every_ms);
}
INSTANTIATE_TEST_SUITE_P(All, LogTailRule,
                         testing::Values(Case{"off", false, 0}, Case{"exit", true, 0},
                                         Case{"1m", true, 60'000}, Case{"12h", true, 43'200'000},
                                         Case{"7d", true, 604'800'000}));

class NoLogTailRule : public testing::TestWithParam<const char*> {};
TEST_P(NoLogTailRule, IsRefused) {
  const auto rule = ParseLogTailRule(GetParam());
  EXPECT_EQ(rule.status().message(),
            std::string("is \"") + GetParam() + "\", should be off, exit or a duration of 1m to 7d");
}
INSTANTIATE_TEST_SUITE_P(All, NoLogTailRule, testing::Values("", "on", "59s", "8d", "-1m", "10"));

}  // namespace
}  // namespace slicelet
