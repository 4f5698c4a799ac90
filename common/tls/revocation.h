#pragma once

#include <string>

#include "common/base/status.h"
#include "common/base/time.h"
#include "common/tls/pki.h"

namespace slicelet {

/// A certificate revocation list (RFC 5280) by `authority`, PEM: of what `former` lists (empty: nothing) and
/// of every certificate in `revoked_pem`, which may hold any number. It holds for as long as the authority
/// does: a server that gets no newer one goes on with it. InvalidArgument when the authority has not signed
/// `former` or one of the certificates.
absl::StatusOr<std::string> MakeRevocationList(const CertificateAndKey& authority, const std::string& former,
                                               const std::string& revoked_pem, WallTime now);

/// Whether the list names the first certificate of `certificate_pem`.
absl::StatusOr<bool> IsRevoked(const std::string& list, const std::string& certificate_pem);

}  // namespace slicelet
