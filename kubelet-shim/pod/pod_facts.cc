#include "kubelet-shim/pod/pod_facts.h"

#include <nlohmann/json.hpp>

#include "common/base/encoding.h"
#include "common/json/json.h"
#include "kube/object.h"
#include "kubelet-shim/pod/pod_status.h"

namespace slicelet::shim {

using kube::Find;
using kube::TextAt;
using Json = nlohmann::json;

std::string Fingerprint(const Json& pod, const v1::PodApply& apply) {
  static const Json kNull;
  const Json* spec = Find(pod, {"spec"});
  const Json* labels = Find(pod, {"metadata", "labels"});
  Json annotations =
      Find(pod, {"metadata", "annotations"}) != nullptr ? *Find(pod, {"metadata", "annotations"}) : kNull;
  if (annotations.is_object()) annotations.erase(kHostPodIpAnnotation);
  std::string text =
      DumpJson(spec != nullptr ? *spec : kNull) + DumpJson(labels != nullptr ? *labels : kNull);
  if (!annotations.empty()) text += DumpJson(annotations);
  text += std::to_string(kube::IntegerAt(pod, {"metadata", "generation"}, 0));
  v1::PodApply rest = apply;
  rest.clear_pod();
  return Sha256(text + rest.SerializeAsString()).value();
}

std::string ControllerOf(const Json& pod) {
  const Json* owners = Find(pod, {"metadata", "ownerReferences"});
  if (owners == nullptr || !owners->is_array()) return "";
  for (const Json& owner : *owners) {
    if (GetBool(owner, "/controller")) return TextAt(owner, {"uid"});
  }
  return "";
}

bool EverStarted(const Json& pod, const std::string& container) {
  for (const char* list : {"initContainerStatuses", "containerStatuses"}) {
    const Json* statuses = Find(pod, {"status", list});
    if (statuses == nullptr || !statuses->is_array()) continue;
    for (const Json& status : *statuses) {
      if (!container.empty() && TextAt(status, {"name"}) != container) continue;
      if (!TextAt(status, {"containerID"}).empty()) return true;
    }
  }
  return false;
}

bool ShowsRunningContainer(const Json& pod) {
  for (const char* list : {"initContainerStatuses", "containerStatuses"}) {
    const Json* statuses = Find(pod, {"status", list});
    if (statuses == nullptr || !statuses->is_array()) continue;
    for (const Json& status : *statuses) {
      if (Find(status, {"state", "running"}) != nullptr) return true;
    }
  }
  return false;
}

std::string FieldPathOf(const Json& pod, const std::string& container) {
  bool init = false;
  const Json* containers = Find(pod, {"spec", "initContainers"});
  if (containers != nullptr && containers->is_array()) {
    for (const Json& one : *containers) init = init || TextAt(one, {"name"}) == container;
  }
  return (init ? "spec.initContainers{" : "spec.containers{") + container + "}";
}

}  // namespace slicelet::shim
