#include "kubelet-shim/shim/pod_queries.h"

#include <nlohmann/json.hpp>

#include "kube/object.h"

namespace slicelet::shim {
namespace {

bool HasContainer(const kube::Json& pod, const std::string& container) {
  for (const char* list : {"containers", "initContainers", "ephemeralContainers"}) {
    const kube::Json* containers = kube::Find(pod, {"spec", list});
    if (containers == nullptr || !containers->is_array()) continue;
    for (const auto& one : *containers) {
      if (kube::TextAt(one, {"name"}) == container) return true;
    }
  }
  return false;
}

absl::Status NoContainer(const std::string& ns, const std::string& pod, const std::string& container) {
  return absl::NotFoundError("container \"" + container + "\" not found in pod \"" + ns + "/" + pod + "\"");
}

}  // namespace

std::vector<kube::Json> DesiredPods(const PodSync* pods) {
  std::vector<kube::Json> result;
  if (pods == nullptr) return result;
  for (const auto& [uid, worker] : pods->workers()) result.push_back(worker->pod());
  return result;
}

std::vector<kube::Json> RunningPodsOf(const PodSync* pods) {
  std::vector<kube::Json> result;
  if (pods == nullptr) return result;
  for (const auto& [uid, worker] : pods->workers()) {
    if (!kube::BeingDeleted(worker->pod()) && worker->HasRunningContainer()) result.push_back(worker->pod());
  }
  return result;
}

absl::StatusOr<std::string> FindContainerIn(const PodSync* pods, const std::string& ns,
                                            const std::string& pod, const std::string& uid,
                                            const std::string& container) {
  if (pods != nullptr) {
    for (const auto& [known, worker] : pods->workers()) {
      const kube::Json& object = worker->pod();
      if (kube::NameOf(object) != pod || kube::NamespaceOf(object) != ns) continue;
      if (!uid.empty() && uid != known.value()) continue;
      if (!container.empty() && !HasContainer(object, container)) {
        return NoContainer(ns, pod, container);
      }
      return known.value();
    }
  }
  return absl::NotFoundError("pod \"" + ns + "/" + pod + "\"" + (uid.empty() ? "" : " with uid " + uid) +
                             " not found");
}

}  // namespace slicelet::shim
