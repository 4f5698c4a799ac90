#include "kubelet-shim/app/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace slicelet::shim {
namespace {

using testing::HasSubstr;

TEST(ShimMetrics, ShowNodesAndTheirPodsByPhase) {
  MetricsPage page;
  AddShimMetrics(true, {"gw-1"}, page);
  AddNodeMetrics("gw-1",
                 {{{"status", {{"phase", "Running"}}}}, {{"status", {{"phase", "Running"}}}}, {{"spec", {}}}},
                 page);
  const std::string text = page.Text();
  EXPECT_THAT(text, HasSubstr("slicelet_shim_leading 1\n"));
  EXPECT_THAT(text, HasSubstr("slicelet_shim_nodes 1\n"));
  EXPECT_THAT(text, HasSubstr("slicelet_shim_pods{node=\"gw-1\",phase=\"Running\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("slicelet_shim_pods{node=\"gw-1\",phase=\"Failed\"} 0\n"));
}

}  // namespace
}  // namespace slicelet::shim
