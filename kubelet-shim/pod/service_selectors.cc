#include "kubelet-shim/pod/service_selectors.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "kube/object.h"

namespace slicelet::shim {

void ServiceSelectors::Learn(const nlohmann::json& service) {
  const nlohmann::json* labels = kube::Find(service, {"spec", "selector"});
  if (labels == nullptr || !labels->is_object() || labels->empty()) return;
  Selector selector{.uid = kube::UidOf(service), .labels = {}};
  for (const auto& [name, value] : labels->items()) {
    if (value.is_string()) selector.labels.emplace(name, value.get<std::string>());
  }
  selectors_.insert_or_assign({kube::NamespaceOf(service), kube::NameOf(service)}, std::move(selector));
}

std::vector<EventSubject> ServiceSelectors::TakeUntold(const nlohmann::json& pod) {
  std::vector<EventSubject> untold;
  const std::string ns = kube::NamespaceOf(pod);
  for (auto it = selectors_.lower_bound({ns, ""}); it != selectors_.end() && it->first.first == ns; ++it) {
    const auto& [uid, labels] = it->second;
    const bool chosen = std::all_of(labels.begin(), labels.end(), [&](const auto& label) {
      return kube::TextAt(pod, {"metadata", "labels", label.first}) == label.second;
    });
    if (chosen && told_.insert(uid).second) {
      untold.push_back({.kind = "Service", .ns = ns, .name = it->first.second, .uid = uid, .field_path = ""});
    }
  }
  return untold;
}

}  // namespace slicelet::shim
