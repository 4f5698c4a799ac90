#include "common/base/downward.h"

#include <gtest/gtest.h>

namespace slicelet {
namespace {

TEST(FormatDownwardMap, WritesALinePerKeyInTheirOrder) {
  EXPECT_EQ(FormatDownwardMap({{"b", "2"}, {"a", "1"}}), "a=\"1\"\nb=\"2\"");
  EXPECT_EQ(FormatDownwardMap({}), "");
}

TEST(FormatDownwardMap, QuotesAsGoDoes) {
  EXPECT_EQ(FormatDownwardMap({{"k", "say \"hi\"\\\n\r\t\x01\x7f"}}),
            "k=\"say \\\"hi\\\"\\\\\\n\\r\\t\\x01\\x7f\"");
  EXPECT_EQ(FormatDownwardMap({{"k", "größer"}}), "k=\"größer\"");
}

TEST(DownwardKey, ReadsWhatIsBetweenTheBrackets) {
  EXPECT_EQ(DownwardKey("metadata.labels['app']", "metadata.labels"), "app");
  EXPECT_EQ(DownwardKey("metadata.labels['a.b/c']", "metadata.labels"), "a.b/c");
  EXPECT_EQ(DownwardKey("metadata.labels['']", "metadata.labels"), "");
}

TEST(DownwardKey, IsNothingForOtherPaths) {
  for (const char* path : {"metadata.labels", "metadata.labels['", "metadata.labels['app'",
                           "metadata.labels[app]", "metadata.annotations['app']"}) {
    EXPECT_EQ(DownwardKey(path, "metadata.labels"), std::nullopt) << path;
  }
}

}  // namespace
}  // namespace slicelet
