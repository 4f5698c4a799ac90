#include "common/base/shown_text.h"

#include <gtest/gtest.h>

namespace slicelet {
namespace {

TEST(ShownText, WhatIsShortIsWhole) {
  EXPECT_EQ(ShownText(""), "");
  EXPECT_EQ(ShownText("größer"), "größer");
  EXPECT_EQ(ShownText(std::string(200, 'x')), std::string(200, 'x'));
}

TEST(ShownText, WhatIsLongIsCutAndMarked) {
  EXPECT_EQ(ShownText(std::string(201, 'x')), std::string(200, 'x') + "[...]");
  EXPECT_EQ(ShownText(std::string(1'000'000, 'x')), std::string(200, 'x') + "[...]");
}

/// How many bytes stand before a character, and how many are left of the text.
struct Cut {
  std::size_t before;
  std::string character;
  std::size_t left;
};
class ShownCharacters : public testing::TestWithParam<Cut> {};
TEST_P(ShownCharacters, AreNeverHalved) {
  const std::string text = std::string(GetParam().before, 'x') + GetParam().character + std::string(300, 'y');
  EXPECT_EQ(ShownText(text), text.substr(0, GetParam().left) + "[...]");
}
INSTANTIATE_TEST_SUITE_P(All, ShownCharacters,
                         testing::Values(Cut{198, "ö", 200}, Cut{199, "ö", 199}, Cut{200, "ö", 200},
                                         Cut{197, "€", 200}, Cut{198, "€", 198}, Cut{199, "€", 199},
                                         Cut{196, "😀", 200}, Cut{197, "😀", 197}, Cut{199, "😀", 199}));

TEST(ShownText, WhatIsNoTextIsCutAllTheSame) {
  EXPECT_EQ(ShownText(std::string(1'000, '\x80')), std::string(200, '\x80') + "[...]");
}

}  // namespace
}  // namespace slicelet
