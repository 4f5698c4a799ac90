#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "slicelet/v1/workload.pb.h"

namespace slicelet::provider {

/// The ConfigMaps that the Azure IoT Edge connector read beside a pod: one named like each container (module
/// settings), `edgehub` and `edgeagent`. Name to data.
using ConnectorMaps = std::map<std::string, std::map<std::string, std::string>>;

/// What they come to, beside the changes to the workload.
struct ConnectorResult {
  /// Names of edgehub's routes: there is no message hub on a host that could follow them.
  std::vector<std::string> ignored_routes;
  /// "configmap/NAME.KEY" or deeper: what is understood and not honoured. Sorted.
  std::vector<std::string> ignored;
  /// A docker configuration with edgeagent's registry credentials; empty without any.
  std::string docker_config;
};

/// Which of them a pod with these containers may have.
std::vector<std::string> ConnectorMapNames(const v1::Workload& workload);

/// Applies the module settings to the workload's containers and reads the rest. A value that is not
/// understood is a refusal that names the ConfigMap, the key and the value; the workload is unusable then.
/// Pure.
///
/// Honoured of createOptions: Env, Cmd, Entrypoint, WorkingDir, HostConfig.PortBindings, .Binds, .Privileged,
/// .Memory, .NanoCpus, .CapAdd, .CapDrop. desiredProperties become the variable DESIRED_PROPERTIES.
std::optional<v1::Refusal> ApplyConnectorMaps(const ConnectorMaps& maps, v1::Workload& workload,
                                              ConnectorResult& out);

}  // namespace slicelet::provider
