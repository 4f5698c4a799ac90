#pragma once

#include <optional>

#include "slicelet/v1/workload.pb.h"

namespace slicelet::agent {

/// The refusal of a workload that no translation of a pod yields, with reason MalformedWorkload and the pod's
/// field: its names and paths become paths of this host, and a hub that signs them need not mean well.
/// nullopt when all of them stay where they belong.
std::optional<v1::Refusal> CheckWorkload(const v1::Workload& workload);

}  // namespace slicelet::agent
