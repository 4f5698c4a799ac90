#pragma once

#include <string>

namespace slicelet {

/// The certificates that the broker refuses, beside its configuration.
inline constexpr char kRevocationListFile[] = "revoked.crl";

struct MosquittoOptions {
  std::string hub;
  /// "PORT" or "ADDRESS:PORT".
  std::string listen;
  /// Where the files named below are.
  std::string directory;
};

/// mosquitto.conf (2.0 and later): mutual TLS with the hub's authority, the certificate's CN as user name,
/// and the access list beside it. Files: ca.crt, revoked.crl, mqtt-broker.crt, mqtt-broker.key,
/// mosquitto.acl.
std::string MosquittoConfiguration(const MosquittoOptions& options);

/// mosquitto.acl: each host reads and writes its own topics only, and the hub all of them.
std::string MosquittoAccessList(const std::string& hub);

}  // namespace slicelet
