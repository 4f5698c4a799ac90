#pragma once

#include <functional>
#include <memory>
#include <string>

#include "common/base/status.h"
#include "common/loop/loop.h"
#include "common/mqtt/mqtt.h"
#include "common/mqtt/mqtt_module.h"

namespace slicelet {

/// Where a broker is, and how its clients prove who they are.
struct MqttBrokerAddress {
  /// "HOST:PORT"; with TLS, HOST must be in the broker's certificate.
  std::string endpoint;
  /// PEM. Without a ca the system's authorities count.
  std::string ca, certificate, key;
  /// Empty: none.
  std::string username, password;
  bool tls = true;
  /// 5, or 3 for MQTT 3.1.1, where messages do not expire, wills have no delay, and sessions that are kept
  /// are kept for as long as the broker likes.
  int protocol = 5;
};

/// Connections made with the client library behind `module`. `loop` must outlive them.
std::unique_ptr<MqttDialer> MakeModuleDialer(Loop& loop, const slicelet_mqtt_module& module,
                                             MqttBrokerAddress broker);

/// The same where the address or the certificates may change: `broker` is asked before every connection.
std::unique_ptr<MqttDialer> MakeAskingModuleDialer(Loop& loop, const slicelet_mqtt_module& module,
                                                   std::function<MqttBrokerAddress()> broker);

/// Loads the module from a shared object. It stays loaded. An error names the file and what is wrong with it.
absl::StatusOr<const slicelet_mqtt_module*> LoadMqttModule(const std::string& path);

}  // namespace slicelet
