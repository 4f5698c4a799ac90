#include "common/base/ip_address.h"

#include <gtest/gtest.h>

namespace slicelet {
namespace {

TEST(IsIpAddress, TakesBothFamiliesAndNothingElse) {
  for (const char* text : {"10.0.0.5", "0.0.0.0", "::", "fd00::1", "::ffff:10.0.0.5"})
    EXPECT_TRUE(IsIpAddress(text)) << text;
  for (const char* text :
       {"", "gw-1", "10.0.0", "10.0.0.256", "10.0.0.5:80", "[::1]", "fe80::1%eth0", " ::1"})
    EXPECT_FALSE(IsIpAddress(text)) << text;
  EXPECT_FALSE(IsIpAddress(std::string("10.0.0.5\0x", 10)));
}

}  // namespace
}  // namespace slicelet
