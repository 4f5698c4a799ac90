#pragma once

#include <string>
#include <vector>

#include "provider/controllers/plan.h"
#include "provider/controllers/settings.h"

namespace slicelet::provider {

/// On a pod of ours: what it was made of (`RevisionOf`).
inline constexpr char kRevisionAnnotation[] = "slicelet.io/revision";

/// The pods that carry `label` = the owner's name, in its namespace.
std::vector<const Json*> PodsOf(const World& world, const Json& owner, const char* label);

/// The step "Pod": exactly one pod, made of `wanted` (without a name), or none at all when it is suspended
/// (`wanted` null). Changed images are changed in place; for anything else the former pod ends first, because
/// two gateways on one host would compete. A pod that has failed is replaced after `kReplaceFailed`.
void MakePod(Plan& plan, const kube::Resource& owner_kind, const Json& owner,
             const std::vector<const Json*>& pods, Json wanted, WallTime now);
inline constexpr std::chrono::minutes kReplaceFailed{5};

/// The step "Services": every container is Ready. Also sets the members "pods", "revision" and "ready" of the
/// status.
void AwaitPod(Plan& plan, const std::vector<const Json*>& pods, const std::string& revision);

/// The phase of an object that consists of these pods; `suspended`: it is, and none is left.
std::string PhaseOfPods(const Plan& plan, const Json& owner, const std::vector<const Json*>& pods,
                        bool suspended);

/// The condition of an object, or null.
const Json* ConditionOf(const Json& object, const std::string& type);

}  // namespace slicelet::provider
