#include "common/base/random.h"

#include <gtest/gtest.h>

#include <regex>

namespace slicelet {
namespace {

TEST(SeededRandom, TheSameSeedGivesTheSameSequence) {
  SeededRandom a(42);
  SeededRandom b(42);
  SeededRandom c(43);

  EXPECT_EQ(a.Hex(32), b.Hex(32));
  EXPECT_NE(a.Next(), c.Next());
}

TEST(Random, BelowStaysBelow) {
  SeededRandom random(7);

  for (int i = 0; i < 1'000; ++i) EXPECT_LT(random.Below(10), 10u);
  EXPECT_EQ(random.Below(0), 0u);
  EXPECT_EQ(random.Below(1), 0u);
}

TEST(Random, HexHasTwoDigitsPerByte) {
  SeededRandom random(7);

  EXPECT_EQ(random.Hex(0), "");
  EXPECT_EQ(random.Hex(9).size(), 18u);
}

TEST(SystemRandom, UuidsAreVersionFourAndDiffer) {
  SystemRandom random;
  const std::regex form("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}");
  const std::string first = random.Uuid();

  EXPECT_TRUE(std::regex_match(first, form)) << first;
  EXPECT_NE(first, random.Uuid());
}

}  // namespace
}  // namespace slicelet
