#include "provider/controllers/pods.h"

#include <algorithm>
#include <utility>

#include "common/json/json.h"
#include "kube/object.h"
#include "provider/controllers/exporter.h"
#include "provider/controllers/gateway_profile.h"
#include "provider/controllers/server_names.h"

#ifdef SLICELET_PLANTS
#include "tests/sim/plants.h"
#endif

namespace slicelet::provider {
namespace {

bool HasFailed(const Json& pod) {
  const std::string phase = kube::TextAt(pod, {"status", "phase"});
  return phase == "Failed" || phase == "Succeeded";
}

std::map<std::string, std::string> ImagesOf(const Json& pod) {
  std::map<std::string, std::string> images;
  if (const Json* containers = kube::Find(pod, {"spec", "containers"})) {
    for (const Json& one : *containers) images[kube::TextAt(one, {"name"})] = kube::TextAt(one, {"image"});
  }
  return images;
}

/// The containers with these images, as a merge of them would have them; empty when none differs.
Json ChangedImages(const Json& pod, const std::map<std::string, std::string>& images) {
  const Json* containers = kube::Find(pod, {"spec", "containers"});
  if (containers == nullptr) return Json::array();
  bool differs = false;
  Json changed = *containers;
  for (Json& container : changed) {
    const auto wanted = images.find(kube::TextAt(container, {"name"}));
    if (wanted == images.end() || kube::TextAt(container, {"image"}) == wanted->second) continue;
    container["image"] = wanted->second;
    differs = true;
  }
  return differs ? changed : Json::array();
}

/// A merge patch of containers with these images; empty when none differs.
Json ImageChanges(const Json& pod, const std::map<std::string, std::string>& images) {
  Json changes = Json::object();
  Json containers = ChangedImages(pod, images);
  if (!containers.empty()) changes["spec"]["containers"] = std::move(containers);
  return changes;
}

/// A merge patch of what may differ while the pod runs; empty when nothing does.
Json ChangesInPlace(const Json& pod, const Json& wanted) {
  Json changes = ImageChanges(pod, ImagesOf(wanted));
  const std::string is = kube::TextAt(pod, {"metadata", "annotations", kHostAliasesAnnotation});
  const std::string should_be = kube::TextAt(wanted, {"metadata", "annotations", kHostAliasesAnnotation});
  if (is != should_be) {
    changes["metadata"]["annotations"][kHostAliasesAnnotation] = should_be.empty() ? Json() : Json(should_be);
  }
  return changes;
}

/// The first container of which the host tells another image than the pod asks for now, as "CONTAINER does
/// not run IMAGE"; empty without any. The exporter's changes by itself, and is left out.
std::string ImageThatDoesNotRun(const Json& pod) {
  const Json* statuses = kube::Find(pod, {"status", "containerStatuses"});
  if (statuses == nullptr) return "";
  const auto images = ImagesOf(pod);
  for (const Json& status : *statuses) {
    const auto wanted = images.find(kube::TextAt(status, {"name"}));
    if (wanted == images.end() || wanted->first == kExporter) continue;
    if (kube::TextAt(status, {"image"}) != wanted->second)
      return wanted->first + " does not run " + wanted->second;
  }
  return "";
}

/// No container of it waits, as for an image or after it crashed again and again.
bool Runs(const Json& pod) {
  const Json* statuses = kube::Find(pod, {"status", "containerStatuses"});
  return kube::TextAt(pod, {"status", "phase"}) == "Running" && statuses != nullptr &&
         std::none_of(statuses->begin(), statuses->end(),
                      [](const Json& status) { return kube::Find(status, {"state", "waiting"}) != nullptr; });
}

/// The one of other revisions that runs on while the wanted pod gets ready: the newest that is Ready. Probes
/// fail for a moment on a busy host: where none is Ready, the oldest that runs is what has been.
const Json* FormerPod(const std::vector<const Json*>& pods, const std::string& revision) {
  const Json* ready = nullptr;
  const Json* runs = nullptr;
  const auto begun = [](const Json& pod) { return kube::TextAt(pod, {"metadata", "creationTimestamp"}); };
  for (const Json* pod : pods) {
    if (RevisionAnnotationOf(*pod) == revision || kube::BeingDeleted(*pod) || HasFailed(*pod)) continue;
    if (IsReady(*pod) && (ready == nullptr || begun(*ready) < begun(*pod))) ready = pod;
    if (Runs(*pod) && (runs == nullptr || begun(*pod) < begun(*runs))) runs = pod;
  }
  return ready != nullptr ? ready : runs;
}

/// Every container but the exporter is ready: whether a server takes the readings is said elsewhere.
bool ServicesAreReady(const Json& pod) {
  const Json* containers = kube::Find(pod, {"spec", "containers"});
  const Json* statuses = kube::Find(pod, {"status", "containerStatuses"});
  if (containers == nullptr || statuses == nullptr) return false;
  const auto named = [](const char* name) {
    return [name](const Json& one) { return kube::TextAt(one, {"name"}) == name; };
  };
  if (std::none_of(containers->begin(), containers->end(), named(kExporter))) return false;
  return statuses->size() == containers->size() &&
         std::all_of(statuses->begin(), statuses->end(), [](const Json& status) {
           return GetBool(status, "/ready") || kube::TextAt(status, {"name"}) == kExporter;
         });
}

/// Why the pod is not Ready, in the words of the one who knows best.
std::string LongReason(const Json& pod) {
  const std::string own = kube::TextAt(pod, {"status", "message"});
  if (!own.empty()) return kube::TextAt(pod, {"status", "reason"}) + ": " + own;
  for (const char* type : {"slicelet.io/Placed", "slicelet.io/Gateway", "slicelet.io/Server",
                           "slicelet.io/ImagesCurrent", "slicelet.io/Fleet"}) {
    const Json* condition = kube::ConditionOf(pod, type);
    if (condition != nullptr && kube::TextAt(*condition, {"status"}) != "True") {
      const std::string message = kube::TextAt(*condition, {"message"});
      if (!message.empty()) return message;
    }
  }
  if (const Json* ready = kube::ConditionOf(pod, "Ready")) {
    const std::string message = kube::TextAt(*ready, {"message"});
    if (!message.empty()) return message;
  }
  if (const std::string other = ImageThatDoesNotRun(pod); !other.empty()) {
    return "container " + other + " yet: see the events of pod " + kube::NameOf(pod);
  }
  return "pod " + kube::NameOf(pod) + " has not started on " + kube::TextAt(pod, {"spec", "nodeName"}) +
         " yet";
}

}  // namespace

std::string RevisionAnnotationOf(const Json& pod) {
  return kube::TextAt(pod, {"metadata", "annotations", kRevisionAnnotation});
}

std::string WhyNotReady(const Json& pod) {
  constexpr std::size_t kMost = 1'000;
  return LongReason(pod).substr(0, kMost);
}

bool IsReady(const Json& pod) {
  return (kube::ConditionStatus(pod, "Ready") == "True" || ServicesAreReady(pod)) &&
         ImageThatDoesNotRun(pod).empty();
}

bool HasImagesOf(const Json& pod, const Json& wanted) {
  auto images = ImagesOf(wanted);
  images.erase(kExporter);
  return ChangedImages(pod, images).empty();
}

std::vector<const Json*> PodsOf(const World& world, const Json& owner, const char* label) {
  std::vector<const Json*> pods;
  for (const Json* pod : world.In(kube::kPods, kube::NamespaceOf(owner))) {
    if (kube::TextAt(*pod, {"metadata", "labels", label}) == kube::NameOf(owner)) pods.push_back(pod);
  }
  return pods;
}

bool IsPodNameOf(const Json& owner, const std::string& name) {
  const std::string prefix = kube::NameOf(owner) + "-";
  // Owners' names have hyphens, too; revisions have none.
  return name.starts_with(prefix) && name.size() == prefix.size() + kRevisionLength &&
         name.find('-', prefix.size()) == std::string::npos;
}

void MakePod(Plan& plan, const kube::Resource& owner_kind, const Json& owner,
             const std::vector<const Json*>& pods, Json wanted, WallTime now, const Following& following) {
  constexpr char kStep[] = "Pod";
  const bool side_by_side = following.hand_over && !wanted.is_null();
  const std::string revision = wanted.is_null() ? "" : RevisionOf(wanted);
  const std::string name = kube::NameOf(owner) + "-" + revision;
  const Json* former = side_by_side ? FormerPod(pods, revision) : nullptr;
  const Json* made = nullptr;
  const auto change = [](const Json& pod, const Json& changes) {
    return [&pod, changes] { return MergePatch(kube::kPods, pod, changes); };
  };
  // What does not fit ends first.
  for (const Json* pod : pods) {
    const bool ends = kube::BeingDeleted(*pod);
#ifdef SLICELET_PLANTS
    if (ends && kube::NameOf(*pod) != name && sim::Planted(sim::Plant::kMakeBesideFormer)) continue;
#endif
    if (!wanted.is_null() && RevisionAnnotationOf(*pod) == revision && !ends) {
      made = pod;
    } else if (pod == former) {
      const Json changes = ImageChanges(*pod, following.images);
      if (!changes.empty()) return plan.Make(kStep, false, "", change(*pod, changes));
    } else if (!ends) {
      return plan.Make(kStep, false, "", [&] { return DeleteOf(kube::kPods, *pod); });
    } else if (!side_by_side || kube::NameOf(*pod) == name) {
      return plan.Await(kStep, false, "the former pod " + kube::NameOf(*pod) + " ends");
    }
  }
  if (wanted.is_null()) return plan.Make(kStep, true, "suspended", {});
  if (made == nullptr) {
    return plan.Make(kStep, false, "", [&] {
      wanted["metadata"]["annotations"][kRevisionAnnotation] = revision;
      return CreateOwned(kube::kPods, kube::NamespaceOf(owner), name, wanted, owner_kind, owner);
    });
  }
  const Json& pod = *made;
  if (HasFailed(pod)) {
    const auto created = ParseTime(kube::TextAt(pod, {"metadata", "creationTimestamp"}));
    // A clock that was set back must not make anybody wait until it has caught up.
    const Duration age = created.ok() ? std::chrono::abs(now - *created) : Duration(kReplaceFailed);
    if (age >= kReplaceFailed) {
      return plan.Make(kStep, false, "", [&] { return DeleteOf(kube::kPods, pod); });
    }
    plan.Again(kReplaceFailed - age);
    return plan.Make(kStep, true, kube::NameOf(pod), {});
  }
  const Json changes = ChangesInPlace(pod, wanted);
  plan.Make(kStep, changes.empty(), kube::NameOf(pod), change(pod, changes));
}

void AwaitPod(Plan& plan, const std::vector<const Json*>& pods, const std::string& revision) {
  Json list = Json::array();
  int ready = 0;
  int all = 0;
  bool whole = false;
  std::string why = "there is no pod yet";
  for (const Json* pod : pods) {
    const bool is_ready = IsReady(*pod);
    if (RevisionAnnotationOf(*pod) == revision) {
      whole = is_ready && !kube::BeingDeleted(*pod);
      if (!is_ready) why = WhyNotReady(*pod);
    }
    if (const Json* statuses = kube::Find(*pod, {"status", "containerStatuses"})) {
      for (const Json& status : *statuses) ready += GetBool(status, "/ready") ? 1 : 0;
    }
    if (const Json* containers = kube::Find(*pod, {"spec", "containers"})) {
      all += static_cast<int>(containers->size());
    }
    list.push_back({{"name", kube::NameOf(*pod)},
                    {"uid", kube::UidOf(*pod)},
                    {"node", kube::TextAt(*pod, {"spec", "nodeName"})},
                    {"revision", RevisionAnnotationOf(*pod)},
                    {"phase", kube::TextAt(*pod, {"status", "phase"})},
                    {"ready", is_ready},
                    {"message", is_ready ? "" : WhyNotReady(*pod)}});
  }
  plan.Set("pods", std::move(list));
  plan.Set("revision", revision);
  plan.Set("ready", std::to_string(ready) + "/" + std::to_string(all));
  const Json* former = FormerPod(pods, revision);
  if (former != nullptr) why = "until the next revision is Ready " + kube::NameOf(*former) + " runs: " + why;
  plan.Await("Services", whole,
             whole ? std::to_string(ready) + " of " + std::to_string(all) + " ready" : why);
}

void EndFormerPods(Plan& plan, const std::vector<const Json*>& pods, const std::string& revision) {
  constexpr char kStep[] = "HandOver";
  for (const Json* pod : pods) {
    if (RevisionAnnotationOf(*pod) == revision) continue;
    if (kube::BeingDeleted(*pod)) {
      return plan.Await(kStep, false, "the former pod " + kube::NameOf(*pod) + " ends");
    }
    return plan.Make(kStep, false, "", [&] { return DeleteOf(kube::kPods, *pod); });
  }
  plan.Await(kStep, true, "no former pod is left");
}

std::string PhaseOfPods(const Plan& plan, const Json& owner, const std::vector<const Json*>& pods,
                        bool suspended) {
  if (suspended) return "Suspended";
  if (plan.complete()) return "Ready";
  if (plan.failed()) return "Error";
  if (!pods.empty() && kube::TextAt(*pods.front(), {"status", "phase"}) == "Failed") return "Error";
  const std::string before = kube::TextAt(owner, {"status", "phase"});
  return before == "Ready" || before == "Degraded" ? "Degraded" : "Progressing";
}

}  // namespace slicelet::provider
