#include "provider/app/config.h"

#include "common/config/config_reader.h"
#include "provider/pods/address_pool.h"

namespace slicelet::provider {
namespace {

void ReadListener(ConfigReader& reader, ProviderConfig::Listener& listener) {
  reader.Required("listen", &listener.listen);
  reader.Required("ca", &listener.tls.ca_file);
  reader.Required("certificate", &listener.tls.certificate_file);
  reader.Required("key", &listener.tls.key_file);
}

void CheckPositive(ConfigReader& reader, const std::string& name, Duration value) {
  if (value <= Duration::zero()) reader.Error(name, "must be more than zero");
}

}  // namespace

absl::StatusOr<ProviderConfig> ReadProviderConfig(const nlohmann::json& json) {
  ProviderConfig config;
  ConfigReader reader(json);
  reader.Required("hub", &config.hub.hub_id);
  reader.Optional("namespace", &config.hub.ns);
  reader.Optional("slice", &config.hub.slice);
  reader.Optional("taintKey", &config.hub.taint_key);
  reader.Optional("podCidr", &config.hub.pod_cidr);
  reader.Optional("heartbeat", &config.hub.heartbeat);
  reader.Optional("statusBatch", &config.hub.status_batch);
  reader.Optional("orphanConfirm", &config.hub.orphan_confirm);
  reader.Optional("resumeGrace", &config.hub.resume_grace);
  reader.Required("database", &config.database);
  reader.Required("manifestKey", &config.manifest_key_file);
  reader.Required("keyCertificates", &config.key_certificate_files);
  reader.Required("tagKey", &config.tag_key_file);
  const auto agents = [&](ConfigReader& nested) { ReadListener(nested, config.agents); };
  if (!reader.Object("agents", agents)) reader.Error("agents", "is required");
  reader.Optional("socket", &config.socket);
  reader.Object("remote", [&](ConfigReader& nested) { ReadListener(nested, config.remote.emplace()); });
  reader.Optional("kubeconfig", &config.kubeconfig);
  reader.Optional("directory", &config.directory);
  reader.Optional("inCluster", &config.in_cluster);
  MetricsOptions::Read(reader, config.metrics);
  reader.Optional("logLevel", &config.log_level);

  CheckPositive(reader, "heartbeat", config.hub.heartbeat);
  CheckPositive(reader, "orphanConfirm", config.hub.orphan_confirm);
  if (const auto pool = AddressPool::Make(config.hub.pod_cidr); !pool.ok()) {
    reader.Error("podCidr", Message(pool.status()));
  }
  const int sources =
      (config.kubeconfig.empty() ? 0 : 1) + (config.directory.empty() ? 0 : 1) + (config.in_cluster ? 1 : 0);
  if (sources != 1) reader.Error("kubeconfig", "set exactly one of kubeconfig, directory and inCluster");
  if (config.socket.empty() && !config.remote)
    reader.Error("socket", "set socket or remote: a shim must get in");
  SLICELET_RETURN_IF_ERROR(reader.Finish());
  return config;
}

}  // namespace slicelet::provider
