#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "slicelet/v1/workload.pb.h"

namespace slicelet::shim {

/// How the containers of one list ("containers" or "initContainers") are shown.
struct ContainerStatusRules {
  /// Container name to message, for CreateContainerConfigError.
  const std::map<std::string, std::string>* config_errors = nullptr;
  /// The pod is gone from its hosts: nothing runs any more.
  bool gone = false;
};

/// status.containerStatuses (sorted by name) or status.initContainerStatuses (in spec order) of `pod`, one
/// entry per container of the spec. Containers the host has not reported wait with the kubelet's default
/// reason.
nlohmann::json ComposeContainerStatuses(
    const nlohmann::json& pod, bool init,
    const google::protobuf::RepeatedPtrField<v1::ContainerStatus>& reported,
    const ContainerStatusRules& rules);

}  // namespace slicelet::shim
