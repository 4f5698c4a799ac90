#include "kubelet-shim/app/metrics.h"

#include <map>
#include <nlohmann/json.hpp>

#include "kube/object.h"

namespace slicelet::shim {

void AddShimMetrics(bool leading, const std::vector<std::string>& nodes, MetricsPage& page) {
  page.Gauge("slicelet_shim_leading", "1 while this shim drives the nodes.", leading ? 1 : 0);
  page.Gauge("slicelet_shim_nodes", "Slice nodes.", static_cast<double>(nodes.size()));
}

void AddNodeMetrics(const std::string& node, const std::vector<nlohmann::json>& pods, MetricsPage& page) {
  // Every phase is always there, so that a graph falls to 0 and does not end.
  std::map<std::string, int> phases = {{"Pending", 0}, {"Running", 0}, {"Succeeded", 0}, {"Failed", 0}};
  for (const auto& pod : pods) {
    if (kube::Find(pod, {"status"}) == nullptr) continue;
    const std::string phase = kube::TextAt(pod, {"status", "phase"});
    ++phases[phase.empty() ? "Pending" : phase];
  }
  for (const auto& [phase, count] : phases) {
    page.Gauge("slicelet_shim_pods", "Pods of a slice node by phase.", count,
               {{"node", node}, {"phase", phase}});
  }
}

}  // namespace slicelet::shim
