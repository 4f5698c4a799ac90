#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "common/base/status.h"
#include "common/crypto/signing.h"

namespace slicelet {

/// Signs with the key of a host's TLS certificate (ECDSA P-256 with SHA-256), where TLS ends before the peer
/// that must know who spoke. `public_key()` is the DER form of its SubjectPublicKeyInfo.
///
/// From a PKCS#8 PEM private key. InvalidArgument if it is not an EC P-256 one.
absl::StatusOr<std::unique_ptr<Signer>> MakeTlsSigner(const std::string& private_key_pem);

/// SubjectPublicKeyInfo, DER, of a certificate in PEM. InvalidArgument if it is not of an EC P-256 key.
absl::StatusOr<std::string> CertifiedKey(const std::string& certificate_pem);

/// True when `signature` is the key's over the purpose and the bytes. `public_key` is as `CertifiedKey`
/// gives.
bool VerifyTlsSignature(std::string_view public_key, SignaturePurpose purpose, std::string_view bytes,
                        std::string_view signature);

}  // namespace slicelet
