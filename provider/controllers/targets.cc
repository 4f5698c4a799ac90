#include "provider/controllers/targets.h"

#include "kube/object.h"
#include "provider/controllers/slices.h"

namespace slicelet::provider {

std::optional<Finding> TargetProblem(const World& world, const ControllerSettings& settings,
                                     const std::string& slice, const Json& target) {
  const std::string host = kube::TextAt(target, {"host"});
  const std::string field = host.empty() ? "spec.target.node" : "spec.target.host";
  const std::string node = host.empty() ? kube::TextAt(target, {"node"}) : host;
  if (!host.empty() && world.Find(kube::kEdgeHosts, settings.ns, host) == nullptr) {
    return Finding{"HostNotFound", field + ": there is no EdgeHost " + host + " in namespace " + settings.ns +
                                       ": add the host, or name another"};
  }
  const auto owners = NodesOfSlices(world, settings);
  const auto owner = owners.find(node);
  if (owner == owners.end()) {
    return Finding{"NodeNotFound", field + ": hub " + settings.hub_id + " has no slice node " + node};
  }
  if (owner->second != slice) {
    return Finding{"NodeNotInSlice",
                   field + ": node " + node + " belongs to slice " + owner->second + ", not to " + slice};
  }
  return std::nullopt;
}

}  // namespace slicelet::provider
