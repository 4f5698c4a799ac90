#pragma once

#include <map>
#include <string>
#include <vector>

#include "provider/controllers/plan.h"
#include "provider/controllers/settings.h"

namespace slicelet::provider {

/// On a pod of ours: what it was made of (`RevisionOf`).
inline constexpr char kRevisionAnnotation[] = "slicelet.io/revision";

/// The value of that annotation; empty without it.
std::string RevisionAnnotationOf(const Json& pod);

/// The pods that carry `label` = the owner's name, in its namespace.
std::vector<const Json*> PodsOf(const World& world, const Json& owner, const char* label);

/// `name` is that of a pod which `MakePod` made, or may have made, for the owner.
bool IsPodNameOf(const Json& owner, const std::string& name);

/// How one revision follows another.
struct Following {
  /// The former pod runs until the new one is Ready; otherwise it ends first.
  bool hand_over = false;
  /// What changes in place in the former pod all the same: images, by container.
  std::map<std::string, std::string> images{};
};

/// The step "Pod": exactly one pod, made of `wanted` (without a name), or none at all when it is suspended
/// (`wanted` null). Changed images and names of the hosts file are changed in place; for anything else the
/// former pod ends first, because two gateways on one host would compete, unless `following` says otherwise.
/// A pod that has failed is replaced after `kReplaceFailed`.
void MakePod(Plan& plan, const kube::Resource& owner_kind, const Json& owner,
             const std::vector<const Json*>& pods, Json wanted, WallTime now,
             const Following& following = {});
inline constexpr std::chrono::minutes kReplaceFailed{5};

/// The step "Services": every container of the pod of `revision` is Ready. Also sets the members "pods",
/// "revision" and "ready" of the status.
void AwaitPod(Plan& plan, const std::vector<const Json*>& pods, const std::string& revision);

/// The step "HandOver": no pod of another revision is left. Comes once the new one is Ready.
void EndFormerPods(Plan& plan, const std::vector<const Json*>& pods, const std::string& revision);

/// Every container is Ready, but for the exporter, and runs the image that the pod asks for now.
bool IsReady(const Json& pod);
/// It asks for the images of `wanted`, but for the exporter's.
bool HasImagesOf(const Json& pod, const Json& wanted);
/// Why the pod is not Ready, in the words of the one who knows best.
std::string WhyNotReady(const Json& pod);

/// The phase of an object that consists of these pods; `suspended`: it is, and none is left.
std::string PhaseOfPods(const Plan& plan, const Json& owner, const std::vector<const Json*>& pods,
                        bool suspended);

}  // namespace slicelet::provider
