#pragma once

#include <string>

#include "edge-agent/pod/pod_model.h"
#include "edge-agent/pod/pod_plan.h"
#include "slicelet/v1/workload.pb.h"

namespace slicelet::agent {

/// The pod's status in the kubelet's words: phase (kubelet getPhase), conditions PodReadyToStartContainers,
/// Initialized and ContainersReady, container statuses with waiting reasons out of `plan`. Transition times
/// are taken over from `previous` (may be null) where a condition's status did not flip.
v1::WorkloadStatus MakeStatus(const PodModel& pod, const PodPlan& plan, const std::string& host_ip,
                              std::int64_t now, const v1::WorkloadStatus* previous);

/// True when a container's readiness, state or the phase differs: worth an immediate report.
bool IsUrgentChange(const v1::WorkloadStatus& before, const v1::WorkloadStatus& after);
/// True when they say the same, apart from `observed_at` and events.
bool SameStatus(const v1::WorkloadStatus& a, const v1::WorkloadStatus& b);

}  // namespace slicelet::agent
