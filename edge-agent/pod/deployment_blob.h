#pragma once

#include <optional>
#include <string>

#include "slicelet/v1/manifest.pb.h"
#include "slicelet/v1/workload.pb.h"

namespace slicelet::agent {

/// What the blob that a deployment's digest names says.
struct DeploymentBlob {
  v1::Workload workload;
  /// Of a pod with role gateway; its own `workload` is not set.
  std::optional<v1::GatewayDeployment> gateway;
};

/// Reads it as what `role` says it is; nullopt when it is none of that role.
std::optional<DeploymentBlob> ParseDeploymentBlob(v1::Role role, const std::string& bytes);

}  // namespace slicelet::agent
