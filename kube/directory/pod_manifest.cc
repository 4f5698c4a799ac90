#include "kube/directory/pod_manifest.h"

#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "common/json/json.h"
#include "kube/object.h"

namespace slicelet::kube {

absl::Status CheckPodManifest(const Json& pod) {
  std::set<std::string> names;
  const Json& containers = GetArray(pod, "/spec/containers");
  if (containers.empty()) return absl::InvalidArgumentError("spec.containers: at least one is needed");
  for (const char* list : {"initContainers", "containers"}) {
    std::size_t index = 0;
    for (const Json& container : GetArray(pod, std::string("/spec/") + list)) {
      const std::string where = std::string("spec.") + list + "[" + std::to_string(index++) + "]";
      const std::string name = TextAt(container, {"name"});
      if (name.empty()) return absl::InvalidArgumentError(where + ".name: a text is needed");
      if (!names.insert(name).second)
        return absl::InvalidArgumentError(where + ".name: \"" + name + "\" is used twice");
      if (TextAt(container, {"image"}).empty())
        return absl::InvalidArgumentError(where + ".image: a text is needed");
    }
  }
  return absl::OkStatus();
}

std::string ImmutablePartOfPod(const Json& pod) {
  Json spec = GetObject(pod, "/spec");
  for (const char* key : kMutablePodFields) spec.erase(key);
  for (const char* list : {"initContainers", "containers"}) {
    const auto it = spec.find(list);
    if (it == spec.end() || !it->is_array()) continue;
    for (Json& container : *it) container.erase("image");
  }
  return DumpJson(spec);
}

}  // namespace slicelet::kube
