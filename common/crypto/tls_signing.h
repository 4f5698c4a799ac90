#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "common/base/status.h"
#include "common/crypto/signing.h"

struct evp_pkey_st;  // OpenSSL's EVP_PKEY

namespace slicelet {

/// Signs with the key of a host's TLS certificate (ECDSA P-256 with SHA-256), where TLS ends before the peer
/// that must know who spoke. `public_key()` is the DER form of its SubjectPublicKeyInfo.
///
/// From a PKCS#8 PEM private key. InvalidArgument if it is not an EC P-256 one.
absl::StatusOr<std::unique_ptr<Signer>> MakeTlsSigner(const std::string& private_key_pem);

/// The public key of a host's TLS certificate, read once: OpenSSL takes longer to read one than to verify
/// with it.
class TlsPublicKey {
 public:
  /// InvalidArgument unless it is a certificate in PEM of an EC P-256 key.
  static absl::StatusOr<TlsPublicKey> OfCertificate(const std::string& certificate_pem);

  /// First 16 hex digits of the SHA-256 of `der`.
  [[nodiscard]] const std::string& id() const { return id_; }
  /// Its SubjectPublicKeyInfo.
  [[nodiscard]] const std::string& der() const { return der_; }
  /// True when `signature` is the key's over the purpose and the bytes.
  [[nodiscard]] bool Verifies(SignaturePurpose purpose, std::string_view bytes,
                              std::string_view signature) const;

 private:
  TlsPublicKey(std::shared_ptr<evp_pkey_st> key, std::string der);

  std::shared_ptr<evp_pkey_st> key_;
  std::string der_;
  std::string id_;
};

}  // namespace slicelet
