#include "kubelet-shim/app/config.h"

#include "common/config/config_reader.h"
#include "common/config/log_level.h"

namespace slicelet::shim {
namespace {

constexpr int kHighestPort = 65'535;

void ReadTls(ConfigReader& reader, RpcTls& tls) {
  reader.Required("ca", &tls.ca_file);
  reader.Required("certificate", &tls.certificate_file);
  reader.Required("key", &tls.key_file);
}

/// Rules about several fields.
void CheckTogether(ConfigReader& reader, const ShimConfig& config) {
  const int sources =
      (config.kubeconfig.empty() ? 0 : 1) + (config.directory.empty() ? 0 : 1) + (config.in_cluster ? 1 : 0);
  if (sources != 1) reader.Error("kubeconfig", "set exactly one of kubeconfig, directory and inCluster");
  if (config.standalone() && !config.tls) reader.Error("tls", "standalone mode needs it to serve its API");
  if (!config.standalone() && config.certificates.empty()) {
    reader.Error("certificates", "a directory for the nodes' certificates is required with a cluster");
  }
  if (config.provider.rfind("unix:", 0) != 0 && !config.tls) {
    reader.Error("tls", "is required because provider is not a unix socket");
  }
  if (config.first_port < 1 || config.ports < 1 || config.first_port + config.ports - 1 > kHighestPort) {
    reader.Error("ports", "first and count must give ports from 1 to 65535");
  }
}

}  // namespace

absl::StatusOr<ShimConfig> ReadShimConfig(const nlohmann::json& json) {
  ShimConfig config;
  ConfigReader reader(json);
  reader.Required("hub", &config.shim.hub_id);
  reader.Optional("namespace", &config.shim.ns);
  reader.Optional("shimId", &config.shim.shim_id);
  reader.Optional("kubeletVersion", &config.shim.kubelet_version);
  reader.Optional("referentRefresh", &config.shim.referent_refresh);
  reader.Optional("nodeLease", &config.shim.node_lease);
  reader.Optional("leaderLease", &config.shim.leader_lease);
  reader.Optional("apiAccess", &config.shim.api_access_default);
  reader.Required("provider", &config.provider);
  reader.Object("tls", [&](ConfigReader& nested) { ReadTls(nested, config.tls.emplace()); });
  reader.Required("address", &config.address);
  reader.Optional("listen", &config.listen);
  reader.Object("ports", [&](ConfigReader& nested) {
    nested.Optional("first", &config.first_port);
    nested.Optional("count", &config.ports);
  });
  reader.Optional("kubeconfig", &config.kubeconfig);
  reader.Optional("directory", &config.directory);
  reader.Optional("inCluster", &config.in_cluster);
  reader.Optional("certificates", &config.certificates);
  reader.Optional("clientCa", &config.client_ca_file);
  const bool users = reader.Optional("allowedUsers", &config.access.users);
  const bool groups = reader.Optional("allowedGroups", &config.access.groups);
  MetricsOptions::Read(reader, config.metrics);
  ReadLogLevel(reader);
  if (config.shim.referent_refresh < std::chrono::seconds(1))
    reader.Error("referentRefresh", "is less than 1s");
  CheckTogether(reader, config);
  SLICELET_RETURN_IF_ERROR(reader.Finish());
  // Who reaches a kubelet: the API server in a cluster, the hub's operators without one.
  if (!users && !config.standalone()) config.access.users = {"kube-apiserver-kubelet-client"};
  if (!groups) config.access.groups = {config.standalone() ? "slicelet:operators" : "system:masters"};
  if (config.listen.empty()) config.listen = config.address;
  return config;
}

}  // namespace slicelet::shim
