#include "common/crypto/tls_signing.h"

#include <openssl/ec.h>

#include <utility>

#include "common/crypto/key_signer.h"
#include "common/crypto/openssl.h"

namespace slicelet {
namespace {

using openssl::KeyPtr;

using CertificatePtr = std::unique_ptr<X509, openssl::Deleter<X509_free>>;

/// InvalidArgument for anything but P-256: the hub gives no other keys to hosts.
absl::StatusOr<std::string> PublicKeyDer(EVP_PKEY* key) {
  char group[32] = "";
  std::size_t size = 0;
  if (EVP_PKEY_get_base_id(key) != EVP_PKEY_EC ||
      EVP_PKEY_get_group_name(key, group, sizeof(group), &size) != 1 ||
      std::string_view(group, size) != "prime256v1") {
    return absl::InvalidArgumentError("not an EC P-256 key");
  }
  unsigned char* der = nullptr;
  const int length = i2d_PUBKEY(key, &der);
  if (length <= 0) return openssl::InternalError("cannot read a public key");
  std::string encoded(reinterpret_cast<char*>(der), static_cast<std::size_t>(length));
  OPENSSL_free(der);
  return encoded;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Signer>> MakeTlsSigner(const std::string& private_key_pem) {
  SLICELET_ASSIGN_OR_RETURN(KeyPtr key, openssl::ReadPrivateKeyPem(private_key_pem));
  SLICELET_ASSIGN_OR_RETURN(std::string public_key, PublicKeyDer(key.get()));
  return openssl::MakeKeySigner(std::move(key), std::move(public_key), EVP_sha256());
}

TlsPublicKey::TlsPublicKey(std::shared_ptr<evp_pkey_st> key, std::string der)
    : key_(std::move(key)), der_(std::move(der)), id_(KeyIdOf(der_)) {}

absl::StatusOr<TlsPublicKey> TlsPublicKey::OfCertificate(const std::string& certificate_pem) {
  const openssl::ErrorsEndHere errors_end_here;
  const openssl::BioPtr bio = openssl::MemoryBio(certificate_pem);
  const CertificatePtr certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  if (!certificate) return absl::InvalidArgumentError("not a certificate in PEM: " + openssl::LastError());
  KeyPtr key(X509_get_pubkey(certificate.get()));
  if (!key) return absl::InvalidArgumentError("a certificate without a usable key");
  SLICELET_ASSIGN_OR_RETURN(std::string der, PublicKeyDer(key.get()));
  return TlsPublicKey(std::move(key), std::move(der));
}

bool TlsPublicKey::Verifies(SignaturePurpose purpose, std::string_view bytes,
                            std::string_view signature) const {
  const openssl::ErrorsEndHere errors_end_here;
  return openssl::VerifyWithKey(key_.get(), EVP_sha256(), purpose, bytes, signature);
}

}  // namespace slicelet
