#pragma once

#include <memory>

#include "common/base/random.h"
#include "common/crypto/sealing.h"
#include "common/loop/loop.h"
#include "common/mqtt/mqtt.h"
#include "common/mqtt/mqtt_hub_connector.h"
#include "edge-agent/app/agent_config.h"
#include "slicelet/v1/agent_store.pb.h"

namespace slicelet::agent {

/// The link over the hub's broker.
struct MqttLink {
  std::unique_ptr<MqttDialer> broker;
  std::unique_ptr<MqttHubConnector> hub;
};

/// Loads the module with the MQTT client. `stored` has the keys that `on_keys` was given in a former life.
/// Errors say what is missing and where.
absl::StatusOr<MqttLink> MakeMqttLink(const HostCredentials& host, const AgentConfig& config,
                                      const v1::AgentSettings& stored,
                                      MqttHubConnectorOptions::OnKeys on_keys, Loop& loop, Random& random,
                                      const Opener& opener);

}  // namespace slicelet::agent
