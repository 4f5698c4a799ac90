#include "provider/fleet/room.h"

#include <gtest/gtest.h>

#include "provider/fleet/targeting.h"

namespace slicelet::provider {
namespace {

constexpr std::int64_t kMi = std::int64_t{1} << 20;

TEST(Room, TheScarcerOfBothDecidesHowManyFit) {
  EXPECT_EQ(MaxReplicas({4'000, 1'000}, {1'000, 100}), 4);
  EXPECT_EQ(MaxReplicas({4'000, 1'000}, {100, 300}), 3);
  EXPECT_EQ(MaxReplicas({999, 1'000}, {1'000, 1}), 0);
  EXPECT_EQ(MaxReplicas({1'000, 1'000}, {1'000, 1'000}), 1);
}

TEST(Room, LessThanNothingFitsNothing) {
  EXPECT_EQ(MaxReplicas({-500, 1'000}, {100, 1}), 0);
  EXPECT_EQ(MaxReplicas({-5'000, -1'000}, {100, 1}), 0);
  EXPECT_EQ(MaxReplicas({-1, 1'000}, {0, 1}), 0) << "nor what takes nothing of what is short";
}

TEST(Room, WhatIsNotAskedForLimitsNothing) {
  EXPECT_EQ(MaxReplicas({500, 0}, {100, 0}), 5);
  EXPECT_EQ(MaxReplicas({0, 0}, {0, 0}), Room::kNoLimit);
}

TEST(Room, ARequestThatIsLeftOutCountsAsTheDefault) {
  HostClaim claim;
  claim.cpu_milli = 250;
  claim.without_cpu = 2;
  claim.without_memory = 3;
  EXPECT_EQ(RoomOf(claim), (Room{450, 3 * 64 * kMi}));
}

}  // namespace
}  // namespace slicelet::provider
