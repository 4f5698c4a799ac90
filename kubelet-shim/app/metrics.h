#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "common/metrics/metrics_page.h"

namespace slicelet::shim {

/// One node's part of the shim's metrics: its pods by phase, as the API shows them.
void AddNodeMetrics(const std::string& node, const std::vector<nlohmann::json>& pods, MetricsPage& page);

/// What the shim is at this moment. Names: docs/operations.md.
void AddShimMetrics(bool leading, const std::vector<std::string>& nodes, MetricsPage& page);

}  // namespace slicelet::shim
