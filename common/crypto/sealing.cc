#include "common/crypto/sealing.h"

#include <openssl/hmac.h>

#include <cstdlib>
#include <utility>

#include "common/crypto/hpke.h"
#include "common/crypto/openssl.h"
#include "common/crypto/signing.h"

namespace slicelet {
namespace {

using openssl::Bytes;
using openssl::KeyPtr;

constexpr char kAlgorithm[] = "hpke-x25519-sha256-aes256gcm";

std::string InfoOf(const SealContext& context) {
  std::string info = "slicelet/v1/seal";
  for (const std::string* part : {&context.hub_id, &context.host.value(), &context.pod.value()}) {
    info += '\0';
    info += *part;
  }
  return info;
}

class X25519Opener : public Opener {
 public:
  X25519Opener(std::string private_key, std::string public_key)
      : private_key_(std::move(private_key)),
        public_key_(std::move(public_key)),
        key_id_(KeyIdOf(public_key_)) {}
  ~X25519Opener() override { OPENSSL_cleanse(private_key_.data(), private_key_.size()); }
  X25519Opener(const X25519Opener&) = delete;
  X25519Opener& operator=(const X25519Opener&) = delete;

  [[nodiscard]] const std::string& key_id() const override { return key_id_; }
  [[nodiscard]] const std::string& public_key() const override { return public_key_; }

  [[nodiscard]] absl::StatusOr<std::string> Open(const SealContext& context,
                                                 const v1::SealedBlob& sealed) const override {
    const std::string what =
        "cannot open " + context.content.value() + " of pod " + context.pod.value() + ": ";
    if (sealed.algorithm() != kAlgorithm) {
      return absl::PermissionDeniedError(what + "unknown algorithm \"" + sealed.algorithm() + "\"");
    }
    if (sealed.key_id() != key_id_) {
      return absl::PermissionDeniedError(what + "sealed for key " + sealed.key_id() + ", this host's is " +
                                         key_id_);
    }
    auto plain = hpke::Open(hpke::Aead::kAes256Gcm, private_key_, sealed.enc(), InfoOf(context),
                            context.content.value(), sealed.ciphertext());
    if (!plain.ok()) return absl::Status(plain.status().code(), what + Message(plain.status()));
    return plain;
  }

 private:
  std::string private_key_;
  const std::string public_key_;
  const std::string key_id_;
};

}  // namespace

absl::StatusOr<v1::SealedBlob> Seal(std::string_view host_public_key, const SealContext& context,
                                    std::string_view plain) {
  auto sealed =
      hpke::Seal(hpke::Aead::kAes256Gcm, host_public_key, InfoOf(context), context.content.value(), plain);
  if (!sealed.ok()) return WithContext(sealed.status(), "cannot seal " + context.content.value());
  v1::SealedBlob blob;
  blob.set_algorithm(kAlgorithm);
  blob.set_key_id(KeyIdOf(host_public_key));
  blob.set_enc(std::move(sealed->enc));
  blob.set_ciphertext(std::move(sealed->ciphertext));
  return blob;
}

absl::StatusOr<std::unique_ptr<Opener>> MakeOpener(const std::string& private_key_pem) {
  SLICELET_ASSIGN_OR_RETURN(const KeyPtr key, openssl::ReadPrivateKeyPem(private_key_pem));
  if (EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_X25519) {
    return absl::InvalidArgumentError("the sealing key is not an X25519 key");
  }
  std::string private_key(hpke::kKeyBytes, '\0');
  std::size_t size = private_key.size();
  if (EVP_PKEY_get_raw_private_key(key.get(), Bytes(private_key), &size) != 1) {
    return openssl::InternalError("cannot read the sealing key");
  }
  SLICELET_ASSIGN_OR_RETURN(std::string public_key, openssl::RawPublicKey(key.get()));
  return std::make_unique<X25519Opener>(std::move(private_key), std::move(public_key));
}

std::string GenerateSealingKeyPem() {
  const KeyPtr key = openssl::GenerateCurveKey(EVP_PKEY_X25519);
  if (!key) std::abort();
  return openssl::WritePrivateKeyPem(key.get());
}

std::string KeyedTag(std::string_view key, std::string_view bytes) {
  std::string mac(32, '\0');
  unsigned int size = 0;
  HMAC(EVP_sha256(), Bytes(key), static_cast<int>(key.size()), Bytes(bytes), bytes.size(), Bytes(mac), &size);
  return mac;
}

}  // namespace slicelet
