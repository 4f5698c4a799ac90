#pragma once

#include <memory>

#include "common/base/random.h"
#include "common/crypto/sealing.h"
#include "common/loop/loop.h"
#include "common/mqtt/mqtt.h"
#include "common/mqtt/mqtt_hub_connector.h"
#include "edge-agent/app/agent_config.h"

namespace slicelet::agent {

/// The link over the hub's broker.
struct MqttLink {
  std::unique_ptr<MqttDialer> broker;
  std::unique_ptr<MqttHubConnector> hub;
};

/// Loads the module with the MQTT client. Errors say what is missing and where.
absl::StatusOr<MqttLink> MakeMqttLink(const HostCredentials& host, const AgentConfig& config, Loop& loop,
                                      Random& random, const Opener& opener);

}  // namespace slicelet::agent
