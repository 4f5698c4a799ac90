#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/base/status.h"
#include "common/base/time.h"
#include "common/crypto/signing.h"
#include "common/tls/pki.h"

namespace slicelet::provider {

/// A file of a hub's directory.
struct HubFile {
  std::string name;
  std::string content;
  std::uint32_t mode = 0;
};

struct MqttHubOptions {
  std::string hub;
  /// Where hosts and provider reach the broker: HOST:PORT. HOST goes into its certificate.
  std::string endpoint;
  /// Where the broker listens.
  std::string listen;
  /// Further names and addresses for its certificate.
  std::vector<std::string> alternative_names;
  Duration certificate_validity{};
};

/// What a hub with a broker has besides:
///
///   mqtt.crt/key       client certificate of the hub at its broker
///   envelope.key/cert  Ed25519: signs what the hub says over it
///   inbox.key/cert     X25519: hosts seal their answers for it
///   mosquitto/         the broker's configuration, access list and certificate: all it needs, and nothing
///   that
///                      would let it speak for the hub
absl::StatusOr<std::vector<HubFile>> MakeMqttFiles(const std::string& directory,
                                                   const MqttHubOptions& options,
                                                   const CertificateAndKey& authority, const Signer& root,
                                                   WallTime now);

/// The section `mqtt` of provider.yaml.
std::string MqttProviderYaml(const std::string& directory, const std::string& endpoint);

}  // namespace slicelet::provider
