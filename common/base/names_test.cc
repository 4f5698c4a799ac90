#include "common/base/names.h"

#include <gtest/gtest.h>

namespace slicelet {
namespace {

TEST(Names, ALabelIsWhatKubernetesTakesForOne) {
  for (const std::string good : {"a", "0", "core-data", "a--b"}) EXPECT_TRUE(IsDnsLabel(good)) << good;
  EXPECT_TRUE(IsDnsLabel(std::string(63, 'a')));
  EXPECT_FALSE(IsDnsLabel(std::string(64, 'a')));
  for (const std::string bad : {"", "-a", "a-", "A", "a.b", ".", "..", "a/b", "a_b", "a b"})
    EXPECT_FALSE(IsDnsLabel(bad)) << bad;
  EXPECT_FALSE(IsDnsLabel(std::string("a\0b", 3)));
}

TEST(Names, ASubdomainIsLabelsWithDotsBetweenThem) {
  for (const std::string good : {"a", "a.b", "gw-1.plant.example"}) EXPECT_TRUE(IsDnsSubdomain(good)) << good;
  EXPECT_TRUE(IsDnsSubdomain(std::string(253, 'a')));
  EXPECT_FALSE(IsDnsSubdomain(std::string(254, 'a')));
  for (const std::string bad : {"", ".", "..", "a..b", ".a", "a.", "a.-b", "../a", "a/b", "A"})
    EXPECT_FALSE(IsDnsSubdomain(bad)) << bad;
}

TEST(Names, AnInnerPathLeadsDown) {
  for (const std::string good : {"a", "a/b.c", "..a", "a..", "a/./b", "a//b"})
    EXPECT_TRUE(IsInnerPath(good)) << good;
  for (const std::string bad : {"", "/a", "..", "../a", "a/..", "a/../b"})
    EXPECT_FALSE(IsInnerPath(bad)) << bad;
  EXPECT_FALSE(IsInnerPath(std::string("a/..\0", 5)));
}

TEST(Names, AComponentIsOneEntryOfADirectory) {
  for (const std::string good : {"a", "...", "A_b:c"}) EXPECT_TRUE(IsPathComponent(good)) << good;
  for (const std::string bad : {"", ".", "..", "a/b", "/"}) EXPECT_FALSE(IsPathComponent(bad)) << bad;
  EXPECT_FALSE(IsPathComponent(std::string("..\0", 3)));
}

}  // namespace
}  // namespace slicelet
