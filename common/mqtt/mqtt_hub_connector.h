#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/base/ids.h"
#include "common/base/random.h"
#include "common/crypto/sealing.h"
#include "common/loop/loop.h"
#include "common/mqtt/envelope.h"
#include "common/mqtt/mqtt.h"
#include "common/stream/message_pipe.h"
#include "slicelet/v1/link.pb.h"

namespace slicelet {

/// The host's end of the link over a broker: each connection to the broker is a pipe to the hub. Breaking is
/// all it reports; who uses it decides when to connect again.
struct MqttHubConnectorOptions {
  std::string hub_id;
  HostId host;
  /// The hub's root key, 32 bytes: the one thing the host must know beforehand.
  std::string root_public_key;
  /// The hub's keys as far as they are known. The hub announces them, too.
  std::vector<v1::KeyCertificate> keys;
  /// Called with the newest of each purpose when a newer one has come: given back as `keys` in the next life,
  /// they keep withdrawn ones from counting again. May be empty.
  using OnKeys = std::function<void(const std::vector<v1::KeyCertificate>&)>;
  OnKeys on_keys = {};
  /// The host's, PEM.
  std::string certificate;
  std::string key;
  Duration keepalive = std::chrono::seconds(60);
};

struct MqttHubConnectorDependencies {
  Loop& loop;
  Random& random;
  MqttDialer& broker;
  /// Commands are sealed for it.
  const Opener& opener;
};

/// What hosts that came back are spread over when the hub began anew.
inline constexpr Duration kMqttReturnSpread = std::chrono::seconds(2);
/// Messages that wait for the broker's answer to the connection.
inline constexpr std::size_t kMaxMqttWaiting = 256;

class MqttHubConnector : public Connector<v1::HostMessage, v1::HubMessage> {
 public:
  /// What was refused, over all connections.
  [[nodiscard]] virtual const EnvelopeFaults& faults() const = 0;
};

/// InvalidArgument when the key is not an EC P-256 one. The references must outlive the connector and its
/// pipes.
absl::StatusOr<std::unique_ptr<MqttHubConnector>> MakeMqttHubConnector(
    MqttHubConnectorOptions options, MqttHubConnectorDependencies dependencies);

}  // namespace slicelet
