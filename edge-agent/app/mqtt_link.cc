#include "edge-agent/app/mqtt_link.h"

#include <utility>

#include "common/mqtt/module_dialer.h"

namespace slicelet::agent {

absl::StatusOr<MqttLink> MakeMqttLink(const HostCredentials& host, const AgentConfig& config,
                                      const v1::AgentSettings& stored,
                                      MqttHubConnectorOptions::OnKeys on_keys, Loop& loop, Random& random,
                                      const Opener& opener) {
  if (host.mqtt_endpoint.empty()) {
    return absl::FailedPreconditionError(
        "link.kind is mqtt, and the host's credentials name no broker: the hub must be made with "
        "'slicectl hub init --mqtt-endpoint HOST:PORT' before 'slicectl host add'");
  }
  MqttHubConnectorOptions options{.hub_id = host.hub,
                                  .host = HostId(host.host),
                                  .root_public_key = host.root_key,
                                  .keys = {stored.broker_keys().begin(), stored.broker_keys().end()},
                                  .on_keys = std::move(on_keys),
                                  .certificate = host.certificate,
                                  .key = host.key,
                                  .keepalive = config.link.keepalive};
  for (const std::string& key : host.mqtt_keys) {
    if (!options.keys.emplace_back().ParseFromString(key))
      return absl::InvalidArgumentError("mqtt.keys of the host's credentials: not a key certificate");
  }
  SLICELET_ASSIGN_OR_RETURN(const slicelet_mqtt_module* module, LoadMqttModule(config.link.module));
  MqttLink link;
  link.broker = MakeModuleDialer(
      loop, *module,
      {.endpoint = host.mqtt_endpoint, .ca = host.ca, .certificate = host.certificate, .key = host.key});
  SLICELET_ASSIGN_OR_RETURN(link.hub,
                            MakeMqttHubConnector(std::move(options), {loop, random, *link.broker, opener}));
  return link;
}

}  // namespace slicelet::agent
