#include "common/json/quantity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>

namespace slicelet {
namespace {

constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();

struct Case {
  const char* text;
  std::int64_t milli;
  std::int64_t whole;
};

class QuantityTest : public ::testing::TestWithParam<Case> {};

TEST_P(QuantityTest, ReadsAsKubernetesDoes) {
  EXPECT_EQ(ParseQuantityMilli(std::string(GetParam().text)).value(), GetParam().milli);
  EXPECT_EQ(ParseQuantityBytes(std::string(GetParam().text)).value(), GetParam().whole);
}

INSTANTIATE_TEST_SUITE_P(
    Valid, QuantityTest,
    ::testing::Values(Case{"0", 0, 0}, Case{"1", 1'000, 1}, Case{"500m", 500, 1}, Case{"1.5", 1'500, 2},
                      Case{".5", 500, 1}, Case{"2.", 2'000, 2}, Case{"100u", 1, 1}, Case{"1n", 1, 1},
                      Case{"1001u", 2, 1}, Case{"-500m", -500, -1}, Case{"+2", 2'000, 2},
                      Case{"1k", 1'000'000, 1'000}, Case{"1Ki", 1'024'000, 1'024},
                      Case{"64Mi", 67'108'864'000, 67'108'864}, Case{"0.5Gi", 536'870'912'000, 536'870'912},
                      Case{"1e3", 1'000'000, 1'000}, Case{"1E3", 1'000'000, 1'000}, Case{"1500e-3", 1'500, 2},
                      Case{"2E", kMax, 2'000'000'000'000'000'000}, Case{"1e30", kMax, kMax},
                      Case{"16Ei", kMax, kMax},
                      Case{"000000000000000000000000000000000000000000001", 1'000, 1}));

class BadQuantityTest : public ::testing::TestWithParam<const char*> {};

TEST_P(BadQuantityTest, NamesTheText) {
  const auto result = ParseQuantityBytes(std::string(GetParam()));

  ASSERT_TRUE(absl::IsInvalidArgument(result.status()));
  EXPECT_THAT(Message(result.status()), ::testing::HasSubstr(std::string("\"") + GetParam() + "\""));
}

INSTANTIATE_TEST_SUITE_P(Invalid, BadQuantityTest,
                         ::testing::Values("", "-", ".", "m", "1 Gi", "1gi", "1KI", "1K", "1e", "1e+",
                                           "1e99999", "1.2.3", "0x10", "1Mib",
                                           "99999999999999999999999999999999999999"));

TEST(Quantity, TakesNumbersFromJson) {
  EXPECT_EQ(ParseQuantityMilli(Json(2)).value(), 2'000);
  EXPECT_EQ(ParseQuantityMilli(Json(0.25)).value(), 250);
  EXPECT_EQ(ParseQuantityBytes(Json("1Ki")).value(), 1'024);
  EXPECT_TRUE(absl::IsInvalidArgument(ParseQuantityBytes(Json(true)).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(ParseQuantityBytes(Json()).status()));
}

}  // namespace
}  // namespace slicelet
