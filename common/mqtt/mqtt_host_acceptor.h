#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/ids.h"
#include "common/base/random.h"
#include "common/base/time.h"
#include "common/crypto/sealing.h"
#include "common/crypto/signing.h"
#include "common/loop/loop.h"
#include "common/mqtt/envelope.h"
#include "common/mqtt/mqtt.h"
#include "common/stream/message_pipe.h"
#include "slicelet/v1/link.pb.h"

namespace slicelet {

struct MqttHostAcceptorOptions {
  std::string hub_id;
  /// PEM: who certified the hosts.
  std::string ca;
  /// Of the hub's keys; announced to the hosts.
  std::vector<v1::KeyCertificate> keys;
  Duration keepalive = std::chrono::seconds(60);
};

struct MqttHostAcceptorDependencies {
  Loop& loop;
  Clock& clock;
  Random& random;
  MqttDialer& broker;
  /// The hub's envelope key.
  const Signer& signer;
  /// The hub's inbox key: private answers are sealed for it.
  const Opener& opener;
};

/// The hub's end of the link over a broker: a host whose Birth is proved is a connection. It keeps its own
/// connection to the broker, over which all hosts speak; while that is broken the hosts' pipes stay open and
/// lose messages.
class MqttHostAcceptor : public Acceptor<v1::HubMessage, v1::HostMessage> {
 public:
  /// Says that the hub leaves, and leaves.
  virtual void Stop() = 0;
  [[nodiscard]] virtual const EnvelopeFaults& faults() const = 0;
  [[nodiscard]] virtual bool connected() const = 0;
  /// When the certificate ends with which the host proved who it is; nullopt: it has not.
  [[nodiscard]] virtual std::optional<WallTime> CertificateEnd(const HostId& host) const = 0;
};

/// The references must outlive the acceptor and its pipes.
std::unique_ptr<MqttHostAcceptor> MakeMqttHostAcceptor(MqttHostAcceptorOptions options,
                                                       MqttHostAcceptorDependencies dependencies);

}  // namespace slicelet
