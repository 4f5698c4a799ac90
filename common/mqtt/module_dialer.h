#pragma once

#include <memory>
#include <string>

#include "common/base/status.h"
#include "common/loop/loop.h"
#include "common/mqtt/mqtt.h"
#include "common/mqtt/mqtt_module.h"

namespace slicelet {

/// Where a broker is, and how its clients prove who they are.
struct MqttBrokerAddress {
  /// "HOST:PORT", always TLS; HOST must be in the broker's certificate.
  std::string endpoint;
  /// PEM.
  std::string ca, certificate, key;
};

/// Connections made with the client library behind `module`. `loop` must outlive them.
std::unique_ptr<MqttDialer> MakeModuleDialer(Loop& loop, const slicelet_mqtt_module& module,
                                             MqttBrokerAddress broker);

/// Loads the module from a shared object. It stays loaded. An error names the file and what is wrong with it.
absl::StatusOr<const slicelet_mqtt_module*> LoadMqttModule(const std::string& path);

}  // namespace slicelet
