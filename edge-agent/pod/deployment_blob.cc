#include "edge-agent/pod/deployment_blob.h"

#include <utility>

namespace slicelet::agent {

std::optional<DeploymentBlob> ParseDeploymentBlob(v1::Role role, const std::string& bytes) {
  DeploymentBlob blob;
  switch (role) {
    case v1::ROLE_GATEWAY: {
      v1::GatewayDeployment& gateway = blob.gateway.emplace();
      if (!gateway.ParseFromString(bytes)) return std::nullopt;
      blob.workload.Swap(gateway.mutable_workload());
      gateway.clear_workload();
      return blob;
    }
    case v1::ROLE_SERVER: {
      v1::ServerDeployment server;
      if (!server.ParseFromString(bytes)) return std::nullopt;
      blob.workload.Swap(server.mutable_workload());
      return blob;
    }
    default:
      if (!blob.workload.ParseFromString(bytes)) return std::nullopt;
      return blob;
  }
}

}  // namespace slicelet::agent
