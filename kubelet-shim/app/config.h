#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "common/base/status.h"
#include "common/metrics/metrics_server.h"
#include "common/rpc/rpc_options.h"
#include "kubelet-shim/api/access.h"
#include "kubelet-shim/shim/shim.h"

namespace slicelet::shim {

/// shim.yaml, as `slicectl hub init` writes it. Paths are absolute or relative to the working directory.
struct ShimConfig {
  /// hub, namespace, shimId, kubeletVersion, referentRefresh, nodeLease, leaderLease, apiAccess.
  Shim::Options shim;
  /// "unix:/path", or "host:port" with `tls`.
  std::string provider;
  /// Towards a provider on another machine, and in standalone mode what the API serves with (hub's CA).
  std::optional<RpcTls> tls;
  /// What the nodes show as their address, and where their APIs listen unless `listen` says otherwise.
  std::string address;
  std::string listen;
  int first_port = 10'250;
  int ports = 100;
  /// Exactly one of the three.
  std::string kubeconfig;
  std::string directory;
  bool in_cluster = false;
  /// Cluster mode: cache of the nodes' certificates.
  std::string certificates;
  /// Cluster mode: the CA of the kubelet API's clients; empty: the one the cluster publishes.
  std::string client_ca_file;
  AccessRules access;
  MetricsOptions metrics;

  [[nodiscard]] bool standalone() const { return !directory.empty(); }
};

/// InvalidArgument with every error found.
absl::StatusOr<ShimConfig> ReadShimConfig(const nlohmann::json& json);

}  // namespace slicelet::shim
