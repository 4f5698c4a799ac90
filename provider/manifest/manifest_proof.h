#pragma once

#include <map>
#include <string>
#include <vector>

#include "common/base/ids.h"
#include "common/crypto/signing.h"
#include "slicelet/v1/manifest.pb.h"

namespace slicelet::provider {

/// Tells what a host says it holds from what this hub signed: only the latter counts.
class ManifestProof {
 public:
  /// Trusts the hub's own present key and those that its configuration certifies.
  ManifestProof(std::string hub_id, const Signer& signer,
                const std::vector<v1::KeyCertificate>& certificates);

  /// The manifest inside, if this hub signed it for `host`; PermissionDenied otherwise.
  [[nodiscard]] absl::StatusOr<v1::Manifest> Check(const HostId& host,
                                                   const v1::SignedManifest& claimed) const;

 private:
  std::string hub_id_;
  std::map<std::string, std::string> keys_;
};

/// How a host's claim about what it holds compares with what the store says it was given last.
enum class Claim {
  /// It holds the newest one.
  kNewest,
  /// It holds an older one, or none.
  kOlder,
  /// It holds one the store does not know: it must be proved before anything is numbered anew.
  kUnknown,
};
Claim Judge(const Generation& stored, const Digest& stored_digest, const Generation& claimed,
            const Digest& claimed_digest);

}  // namespace slicelet::provider
