#pragma once

#include <optional>

#include "common/base/file_system.h"
#include "edge-agent/pod/host_policy.h"
#include "slicelet/v1/workload.pb.h"

namespace slicelet::agent {

/// The refusal of a workload that asks for more than the host's owner allows, with reason HostPolicyDenied,
/// the pod's field and the rule to change; nullopt when it may run. A hostPath is judged with its links
/// followed.
std::optional<v1::Refusal> CheckHostPolicy(const HostPolicy& policy, const v1::Workload& workload,
                                           FileSystem& files);

}  // namespace slicelet::agent
