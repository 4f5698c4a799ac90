#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/base/file_system.h"
#include "common/base/status.h"
#include "common/base/time.h"
#include "provider/enrol/authority.h"

namespace slicelet::provider {

/// What makes a hub a hub, as `slicectl hub init` lays it down in one directory (keys mode 0600):
///
///   hub.json          {"hub": NAME, "agentEndpoint": "HOST:PORT"}
///   ca.crt ca.key     the hub's certificate authority (EC P-256)
///   root.key          Ed25519: certifies manifest keys. Needed for rotation only; keep it offline
///   manifest.key      Ed25519: signs manifests
///   manifest.cert     the root's certificate of the manifest key (a serialized v1.KeyCertificate)
///   tag.key           32 random bytes, hexadecimal: recognises unchanged secrets
///   provider.crt/key  server certificate for the agents' endpoint
///   shim.crt/key      client certificate of the shim, and in standalone mode the server of its API
///   operator.crt/key  client certificate of slicectl (O=slicelet:operators)
///   provider.yaml shim.yaml operator.yaml   configuration of the programs and of slicectl
///   manifests/        standalone: Kubernetes manifests, and EdgeHost objects
///   hosts/NAME.slicelet  what `AddHost` made; may be removed once it is on the host
///   hosts/NAME.crt    every certificate the host was given, newest last: what `RevokeHost` revokes
///   mqtt.* envelope.* inbox.* mosquitto/  with an MQTT broker only: see mqtt_files.h
struct HubOptions {
  /// A DNS label.
  std::string name;
  /// Where agents reach the provider: HOST:PORT. HOST goes into the server certificate.
  std::string agent_endpoint;
  /// Where the provider listens for agents.
  std::string agent_listen;
  /// Further names and addresses of the provider and of the MQTT broker for their certificates.
  std::vector<std::string> alternative_names;
  /// The shim's address, as the API server (or slicectl, standalone) reaches it, and the ports of its nodes.
  std::string shim_address = "127.0.0.1";
  int shim_first_port = 10250;
  int shim_ports = 100;
  /// HOST:PORT of the MQTT broker, as hosts and provider reach it; empty: none.
  std::string mqtt_endpoint;
  /// Where the broker listens.
  std::string mqtt_listen;
  /// HOST:PORT where slicectl reaches the provider's `remote` endpoint; empty: its socket in the directory.
  /// Only operator.yaml says it; HOST goes into the server certificate.
  std::string provider_endpoint;
  /// Empty: standalone, with the directory `manifests`.
  std::string kubeconfig;
  Duration authority_validity = std::chrono::hours(24 * 3650);
  Duration certificate_validity = kCertificateValidity;
};

/// Creates the directory of a new hub. AlreadyExists when it holds one: a hub's keys are never overwritten.
absl::Status InitHub(const std::string& directory, const HubOptions& options, FileSystem& files,
                     WallTime now);

struct NewHost {
  /// The one file that is copied to the host as /etc/slicelet/host.json (it holds its keys): hub, host,
  /// endpoint, ca, certificate, key, sealingKey (PEM), rootKey (hexadecimal), and mqtt {endpoint, keys}.
  std::string credentials_path;
  /// The EdgeHost object, approved, as YAML.
  std::string edge_host_yaml;
};

/// Makes the credentials of one host. InvalidArgument when the name is not a DNS label; AlreadyExists when
/// the host has some: `RenewHost` gives those another certificate. `ns` is where EdgeHost objects live.
absl::StatusOr<NewHost> AddHost(const std::string& directory, const std::string& host, const std::string& ns,
                                FileSystem& files, WallTime now);

/// OK for a DNS label (RFC 1123): 1 to 63 of a-z, 0-9 and '-', not at the ends.
absl::Status CheckDnsLabel(const std::string& what, const std::string& name);

}  // namespace slicelet::provider
