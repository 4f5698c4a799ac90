#include "provider/pods/address_pool.h"

#include <gtest/gtest.h>

namespace slicelet::provider {
namespace {

TEST(AddressPool, GivesEveryPodItsOwnAddressAndKeepsIt) {
  auto pool = AddressPool::Make("198.18.0.0/30");
  ASSERT_TRUE(pool.ok()) << pool.status();
  const std::string a = pool->AddressOf(PodUid("a"));
  const std::string b = pool->AddressOf(PodUid("b"));
  EXPECT_NE(a, b);
  EXPECT_EQ(pool->AddressOf(PodUid("a")), a);
  EXPECT_EQ(pool->AddressOf(PodUid("c")), "") << "network and broadcast address are never given";
  pool->Release(PodUid("a"));
  EXPECT_EQ(pool->AddressOf(PodUid("c")), a);
}

TEST(AddressPool, LearnsWhatTheApiShowsUnlessAnotherPodHasIt) {
  auto pool = AddressPool::Make("198.18.0.0/16");
  pool->Learn(PodUid("a"), "198.18.7.7");
  pool->Learn(PodUid("b"), "198.18.7.7");
  pool->Learn(PodUid("c"), "10.0.0.1");
  pool->Learn(PodUid("c"), "nonsense");
  EXPECT_EQ(pool->AddressOf(PodUid("a")), "198.18.7.7");
  EXPECT_EQ(pool->used(), 1U);
  EXPECT_NE(pool->AddressOf(PodUid("b")), "198.18.7.7");
}

TEST(AddressPool, TwoProvidersFindTheSameAddress) {
  auto one = AddressPool::Make("198.19.0.0/16");
  auto two = AddressPool::Make("198.19.0.0/16");
  EXPECT_EQ(one->AddressOf(PodUid("some-uid")), two->AddressOf(PodUid("some-uid")));
}

TEST(AddressPool, RefusesABadRange) {
  for (const char* cidr :
       {"198.18.0.0", "x/16", "198.18.0.0/31", "198.18.0.0/8", "198.18.0.1/16", "198.18.0.0/16x"}) {
    const auto pool = AddressPool::Make(cidr);
    EXPECT_EQ(pool.status().code(), absl::StatusCode::kInvalidArgument) << cidr;
  }
}

}  // namespace
}  // namespace slicelet::provider
