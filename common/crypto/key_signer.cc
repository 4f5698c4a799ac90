#include "common/crypto/key_signer.h"

#include <cstdlib>
#include <utility>

namespace slicelet::openssl {
namespace {

class KeySigner : public Signer {
 public:
  KeySigner(KeyPtr key, std::string public_key, const EVP_MD* digest)
      : key_(std::move(key)),
        public_key_(std::move(public_key)),
        digest_(digest),
        key_id_(KeyIdOf(public_key_)) {}

  [[nodiscard]] const std::string& key_id() const override { return key_id_; }
  [[nodiscard]] const std::string& public_key() const override { return public_key_; }

  [[nodiscard]] std::string Sign(SignaturePurpose purpose, std::string_view bytes) const override {
    const std::string covered = SignedBytes(purpose, bytes);
    const DigestContextPtr context(EVP_MD_CTX_new());
    std::size_t size = static_cast<std::size_t>(EVP_PKEY_get_size(key_.get()));
    std::string signature(size, '\0');
    // With a valid key this fails only when memory is exhausted; nothing unsigned must leave.
    if (!context || EVP_DigestSignInit(context.get(), nullptr, digest_, nullptr, key_.get()) != 1 ||
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
  const EVP_MD* const digest_;
  const std::string key_id_;
};

}  // namespace

std::unique_ptr<Signer> MakeKeySigner(KeyPtr key, std::string public_key, const EVP_MD* digest) {
  return std::make_unique<KeySigner>(std::move(key), std::move(public_key), digest);
}

bool VerifyWithKey(EVP_PKEY* key, const EVP_MD* digest, SignaturePurpose purpose, std::string_view bytes,
                   std::string_view signature) {
  const DigestContextPtr context(EVP_MD_CTX_new());
  const std::string covered = SignedBytes(purpose, bytes);
  const bool valid = key != nullptr && context &&
                     EVP_DigestVerifyInit(context.get(), nullptr, digest, nullptr, key) == 1 &&
                     EVP_DigestVerify(context.get(), Bytes(signature), signature.size(),
                                      Bytes(std::string_view(covered)), covered.size()) == 1;
  if (!valid) ERR_clear_error();
  return valid;
}

}  // namespace slicelet::openssl
