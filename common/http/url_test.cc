#include "common/http/url.h"

#include <gmock/gmock.h>

namespace slicelet {
namespace {

using testing::ElementsAre;
using testing::Pair;

TEST(ParseTarget, SplitsThePathBeforeItDecodes) {
  const auto target = ParseTarget("/containerLogs/default/web%2Fapi/main/");
  ASSERT_TRUE(target.ok()) << target.status();
  EXPECT_THAT(target->segments, ElementsAre("containerLogs", "default", "web/api", "main", ""));
}

TEST(ParseTarget, TheRootIsOneEmptySegment) { EXPECT_THAT(ParseTarget("/")->segments, ElementsAre("")); }

TEST(ParseTarget, KeepsRepeatedQueryKeysInOrder) {
  const auto target = ParseTarget("/exec?command=echo&command=a+b%2Bc&tty&x=1=2");
  ASSERT_TRUE(target.ok()) << target.status();
  EXPECT_THAT(target->query, ElementsAre(Pair("command", "echo"), Pair("command", "a b+c"), Pair("tty", ""),
                                         Pair("x", "1=2")));
  EXPECT_THAT(target->QueryAll("command"), ElementsAre("echo", "a b+c"));
  EXPECT_EQ(target->Query("tty"), "");
  EXPECT_EQ(target->Query("follow"), std::nullopt);
}

TEST(ParseTarget, RefusesWhatIsNotAPath) {
  for (const char* bad : {"", "*", "http://host/path", "/a%2", "/a%zz", "/a%0d", "/p?x=%g1"}) {
    EXPECT_EQ(ParseTarget(bad).status().code(), absl::StatusCode::kInvalidArgument) << bad;
  }
}

TEST(ParseListenAddress, ReadsHostAndPort) {
  EXPECT_EQ(ParseListenAddress("0.0.0.0:8443")->port, 8'443);
  EXPECT_EQ(ParseListenAddress("127.0.0.1:0")->host, "127.0.0.1");
  EXPECT_EQ(ParseListenAddress(":1")->host, "");
  for (const char* bad : {"", "host", "host:", "host:x", "host:-1", "host:65536", "host:1x"}) {
    EXPECT_EQ(ParseListenAddress(bad).status().code(), absl::StatusCode::kInvalidArgument) << bad;
  }
}

}  // namespace
}  // namespace slicelet
