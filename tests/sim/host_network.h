#pragma once

#include <memory>
#include <string>

#include "common/base/random.h"
#include "common/base/time.h"
#include "common/crypto/sealing.h"
#include "common/crypto/signing.h"
#include "common/loop/loop.h"
#include "common/stream/testing/local_pipe.h"
#include "slicelet/v1/link.pb.h"
#include "tests/sim/broker.h"
#include "tests/sim/story.h"

namespace slicelet::sim {

/// What lies between the provider and its hosts: streams that each host dials, or a broker that all of them
/// use.
class HostNetwork {
 public:
  using HostConnector = Connector<v1::HostMessage, v1::HubMessage>;
  using HubAcceptor = Acceptor<v1::HubMessage, v1::HostMessage>;

  virtual ~HostNetwork() = default;
  /// The end of one life of an agent. The references must outlive it.
  virtual std::unique_ptr<HostConnector> MakeConnector(const std::string& host, Random& random,
                                                       const Opener& opener) = 0;
  /// The end of one life of the provider.
  virtual std::unique_ptr<HubAcceptor> MakeAcceptor(Clock& clock, Random& random) = 0;

  virtual void SetFaults(const LinkFaults& faults) = 0;
  virtual void SetSilence(const std::string& host, Silence silence) = 0;
  virtual void Break(const std::string& host) = 0;
  virtual void Heal() = 0;
  /// Null without one.
  virtual SimBroker* broker() { return nullptr; }
};

/// A stream for each host, as over gRPC.
std::unique_ptr<HostNetwork> MakeStreamNetwork(Loop& loop, Random& random);

/// The product's own MQTT link over a simulated broker. An envelope that an end accepts twice in one life of
/// its program, or that was not signed as it is, breaks an invariant. `root` certifies the hub's keys; all
/// must outlive the network.
std::unique_ptr<HostNetwork> MakeBrokerNetwork(Loop& loop, Random& random, const Signer& root, Story& story);

/// The provider as a client of the broker.
extern const char kHubClient[];

}  // namespace slicelet::sim
