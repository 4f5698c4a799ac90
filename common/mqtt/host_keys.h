#pragma once

#include <map>
#include <optional>
#include <string>

#include "common/base/ids.h"
#include "common/base/status.h"
#include "common/base/time.h"
#include "common/crypto/tls_signing.h"
#include "slicelet/v1/envelope.pb.h"

namespace slicelet {

/// The keys of one host as the hub knows them, from certificates that the hub's authority gave to the host.
class HostKeys {
 public:
  /// `ca` is PEM. Both references must outlive this object.
  HostKeys(const std::string& hub_id, const std::string& ca, const Clock& clock, HostId host);

  /// OK: the envelope's certificate is one that this hub gave to the host; its key counts from now on.
  absl::Status Learn(const v1::Envelope& envelope);
  /// OK: it is signed by a key of the host. One that brings its certificate is learnt from.
  absl::Status Verify(const v1::Envelope& envelope);
  /// When the newest certificate that was learnt ends; nullopt before there is one.
  [[nodiscard]] std::optional<WallTime> not_after() const { return not_after_; }

 private:
  const std::string& ca_;
  const Clock& clock_;
  const HostId host_;
  /// The name in the host's certificates.
  const std::string uri_;
  /// By id.
  std::map<std::string, TlsPublicKey> keys_;
  std::optional<WallTime> not_after_;
};

}  // namespace slicelet
