#pragma once

#include <string>

#include "provider/controllers/plan.h"

namespace slicelet::provider {

inline constexpr char kQuotaName[] = "slicelet-slice";

/// A step that makes the ResourceQuota of a slice's spec.quota, or sees that there is none. `quota`: the one
/// that is there, null for none. `cluster`: the IotCluster that it is in, empty for the hub's own.
void MakeQuota(Plan& plan, const std::string& step, const Json& slice, const Json& labels, const Json* quota,
               const std::string& cluster = "");

}  // namespace slicelet::provider
