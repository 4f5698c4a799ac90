#include "common/crypto/tls_signing.h"

#include <openssl/ec.h>

#include <cstdlib>
#include <utility>

#include "common/crypto/openssl.h"

namespace slicelet {
namespace {

using openssl::Bytes;
using openssl::DigestContextPtr;
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

class EcSigner : public Signer {
 public:
  EcSigner(KeyPtr key, std::string public_key)
      : key_(std::move(key)), public_key_(std::move(public_key)), key_id_(KeyIdOf(public_key_)) {}

  [[nodiscard]] const std::string& key_id() const override { return key_id_; }
  [[nodiscard]] const std::string& public_key() const override { return public_key_; }

  [[nodiscard]] std::string Sign(SignaturePurpose purpose, std::string_view bytes) const override {
    const std::string covered = SignedBytes(purpose, bytes);
    const DigestContextPtr context(EVP_MD_CTX_new());
    std::size_t size = static_cast<std::size_t>(EVP_PKEY_get_size(key_.get()));
    std::string signature(size, '\0');
    // With a valid key this fails only when memory is exhausted; nothing unsigned must leave.
    if (!context || EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key_.get()) != 1 ||
        EVP_DigestSign(context.get(), Bytes(signature), &size, Bytes(std::string_view(covered)),
                       covered.size()) != 1) {
      std::abort();
    }
    signature.resize(size);
    return signature;
  }

 private:
  const KeyPtr key_;
  const std::string public_key_;
  const std::string key_id_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Signer>> MakeTlsSigner(const std::string& private_key_pem) {
  SLICELET_ASSIGN_OR_RETURN(KeyPtr key, openssl::ReadPrivateKeyPem(private_key_pem));
  SLICELET_ASSIGN_OR_RETURN(std::string public_key, PublicKeyDer(key.get()));
  return std::make_unique<EcSigner>(std::move(key), std::move(public_key));
}

absl::StatusOr<std::string> CertifiedKey(const std::string& certificate_pem) {
  const openssl::BioPtr bio = openssl::MemoryBio(certificate_pem);
  const CertificatePtr certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  if (!certificate) return absl::InvalidArgumentError("not a certificate in PEM: " + openssl::LastError());
  EVP_PKEY* key = X509_get0_pubkey(certificate.get());
  if (key == nullptr) return absl::InvalidArgumentError("a certificate without a usable key");
  return PublicKeyDer(key);
}

bool VerifyTlsSignature(std::string_view public_key, SignaturePurpose purpose, std::string_view bytes,
                        std::string_view signature) {
  const unsigned char* der = Bytes(public_key);
  const KeyPtr key(d2i_PUBKEY(nullptr, &der, static_cast<long>(public_key.size())));
  const DigestContextPtr context(EVP_MD_CTX_new());
  const std::string covered = SignedBytes(purpose, bytes);
  const bool valid = key && context && EVP_PKEY_get_base_id(key.get()) == EVP_PKEY_EC &&
                     EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, key.get()) == 1 &&
                     EVP_DigestVerify(context.get(), Bytes(signature), signature.size(),
                                      Bytes(std::string_view(covered)), covered.size()) == 1;
  if (!valid) ERR_clear_error();
  return valid;
}

}  // namespace slicelet
