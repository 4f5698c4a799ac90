#include "provider/app/config.h"

#include <map>

#include "common/base/names.h"
#include "common/config/config_reader.h"
#include "common/config/link_profile.h"
#include "common/config/log_level.h"
#include "common/http/url.h"
#include "provider/fleet/target_condition.h"
#include "provider/pods/address_pool.h"

namespace slicelet::provider {
namespace {

constexpr Duration kShortestToken = std::chrono::minutes(1);
constexpr Duration kLongestToken = std::chrono::days(30);
constexpr std::uint64_t kMostRequests = 10'000;

void ReadListener(ConfigReader& reader, ProviderConfig::Listener& listener) {
  reader.Required("listen", &listener.listen);
  reader.Required("ca", &listener.tls.ca_file);
  reader.Required("certificate", &listener.tls.certificate_file);
  reader.Required("key", &listener.tls.key_file);
}

void ReadMqtt(ConfigReader& reader, const LinkPace& pace, ProviderMqtt& mqtt) {
  mqtt.keepalive = pace.keepalive;
  reader.Required("broker", &mqtt.broker);
  reader.Required("ca", &mqtt.ca_file);
  reader.Required("certificate", &mqtt.certificate_file);
  reader.Required("key", &mqtt.key_file);
  reader.Required("envelopeKey", &mqtt.envelope_key_file);
  reader.Required("inboxKey", &mqtt.inbox_key_file);
  reader.Required("keyCertificates", &mqtt.key_certificate_files);
  reader.Optional("keepalive", &mqtt.keepalive);
  if (mqtt.keepalive < std::chrono::seconds(5)) reader.Error("keepalive", "is less than 5s");
}

void ReadAdminRest(ConfigReader& reader, AdminRestOptions& rest) {
  reader.Required("listen", &rest.listen);
  reader.Required("certificate", &rest.certificate_file);
  reader.Required("key", &rest.key_file);
  reader.Required("users", &rest.users_file);
  reader.Optional("tokenLifetime", &rest.token_lifetime);
  reader.Optional("requestsPerSecond", &rest.requests_per_second);
  if (const auto address = ParseListenAddress(rest.listen); !rest.listen.empty() && !address.ok()) {
    reader.Error("listen", Message(address.status()));
  }
  if (rest.token_lifetime < kShortestToken || rest.token_lifetime > kLongestToken) {
    reader.Error("tokenLifetime", "must be 1m to 30d");
  }
  if (rest.requests_per_second < 1 || rest.requests_per_second > kMostRequests) {
    reader.Error("requestsPerSecond", "must be 1 to " + std::to_string(kMostRequests));
  }
}

void CheckPositive(ConfigReader& reader, const std::string& name, Duration value) {
  if (value <= Duration::zero()) reader.Error(name, "must be more than zero");
}

void ReadFleetNodes(ConfigReader& reader, Hub::Options& hub) {
  std::map<std::string, std::string> conditions;
  reader.Optional("fleetNodes", &conditions);
  for (const auto& [name, condition] : conditions) {
    const std::string path = "fleetNodes." + name;
    // It becomes a label, a host name and a certificate's name.
    if (!IsDnsLabel(name)) reader.Error(path, "the node's name is no DNS label");
    const auto parsed = TargetCondition::Parse(condition);
    if (!parsed.ok()) reader.Error(path, "\"" + condition + "\": " + Message(parsed.status()));
    hub.fleet_nodes.push_back({name, condition});
  }
}

}  // namespace

absl::StatusOr<ProviderConfig> ReadProviderConfig(const nlohmann::json& json) {
  ProviderConfig config;
  ConfigReader reader(json);
  reader.Required("hub", &config.hub.hub_id);
  reader.Optional("namespace", &config.hub.ns);
  reader.Optional("slice", &config.hub.slice);
  reader.Optional("taintKey", &config.hub.taint_key);
  reader.Optional("hostNodes", &config.hub.host_nodes);
  ReadFleetNodes(reader, config.hub);
  reader.Optional("podCidr", &config.hub.pod_cidr);
  const LinkPace pace = ReadLinkProfile(reader);
  config.hub.heartbeat = pace.heartbeat;
  config.agents_keepalive = pace.keepalive;
  // Where bytes are paid for only pods and hosts that ask for it are read.
  config.hub.log_tails.rule.set_at_exit(!pace.low_data);
  reader.Optional("logTailBytes", &config.hub.log_tails.limit);
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
  reader.Object("mqtt", [&](ConfigReader& nested) { ReadMqtt(nested, pace, config.mqtt.emplace()); });
  reader.Optional("kubeconfig", &config.kubeconfig);
  reader.Optional("directory", &config.directory);
  reader.Optional("inCluster", &config.in_cluster);
  reader.Optional("controllers", &config.controllers);
  MetricsOptions::Read(reader, config.metrics);
  reader.Object("adminRest",
                [&](ConfigReader& nested) { ReadAdminRest(nested, config.admin_rest.emplace()); });
  ReadLogLevel(reader);

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
