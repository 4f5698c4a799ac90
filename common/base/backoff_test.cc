#include "common/base/backoff.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

namespace slicelet {
namespace {

using std::chrono::milliseconds;

/// Draws the highest value: delays show their limit.
class HighestRandom : public Random {
 public:
  std::uint64_t Next() override { return next; }
  std::uint64_t next = 0;
};

Backoff::Options Options() { return {.base = milliseconds(1'000), .cap = milliseconds(5'000)}; }

TEST(Backoff, EveryDelayIsWithinTheDoublingLimitAndTheCap) {
  SeededRandom random(1);
  Backoff backoff(Options(), random);
  Duration limit = milliseconds(1'000);

  for (int i = 0; i < 1'000; ++i) {
    const Duration delay = backoff.Next();
    EXPECT_GE(delay, Duration::zero());
    EXPECT_LE(delay, limit);
    limit = std::min<Duration>(limit * 2, milliseconds(5'000));
  }
}

TEST(Backoff, DelaysCanBeAsLongAsTheLimit) {
  HighestRandom random;
  Backoff backoff(Options(), random);

  for (const int wanted : {1'000, 2'000, 4'000, 5'000, 5'000, 5'000}) {
    // Below(limit + 1) of exactly the limit is the limit.
    random.next = static_cast<std::uint64_t>(Duration(milliseconds(wanted)).count());
    EXPECT_EQ(backoff.Next(), milliseconds(wanted));
  }
}

TEST(Backoff, ForgetsFailuresOnReset) {
  SeededRandom random(2);
  Backoff backoff(Options(), random);
  for (int i = 0; i < 10; ++i) (void)backoff.Next();

  backoff.Reset();

  for (int i = 0; i < 100; ++i) {
    EXPECT_LE(backoff.Next(), milliseconds(1'000));
    backoff.Reset();
  }
}

}  // namespace
}  // namespace slicelet
