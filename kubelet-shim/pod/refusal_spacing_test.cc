#include "kubelet-shim/pod/refusal_spacing.h"

#include <gtest/gtest.h>

#include "common/loop/testing/sim_loop.h"

namespace slicelet::shim {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

TEST(RefusalSpacing, DoublesFromTenSecondsToFiveMinutes) {
  SimLoop loop;
  RefusalSpacing spacing(loop);
  EXPECT_EQ(spacing.Take("o"), seconds(0));
  EXPECT_EQ(spacing.Take("o"), seconds(10));
  EXPECT_EQ(spacing.Take("o"), seconds(30));
  EXPECT_EQ(spacing.Take("o"), seconds(70));
  loop.Advance(minutes(9));
  EXPECT_EQ(spacing.Take("o"), seconds(0));
  EXPECT_EQ(spacing.Take("o"), seconds(160));
}

TEST(RefusalSpacing, OwnersDoNotWaitForEachOther) {
  SimLoop loop;
  RefusalSpacing spacing(loop);
  EXPECT_EQ(spacing.Take("a"), seconds(0));
  EXPECT_EQ(spacing.Take("b"), seconds(0));
  EXPECT_EQ(spacing.Take(""), seconds(0));
  EXPECT_EQ(spacing.Take(""), seconds(0));
}

TEST(RefusalSpacing, AQuietOwnerStartsAnew) {
  SimLoop loop;
  RefusalSpacing spacing(loop);
  static_cast<void>(spacing.Take("o"));
  static_cast<void>(spacing.Take("o"));
  loop.Advance(minutes(11));
  EXPECT_EQ(spacing.Take("o"), seconds(0));
  EXPECT_EQ(spacing.Take("o"), seconds(10));
}

}  // namespace
}  // namespace slicelet::shim
