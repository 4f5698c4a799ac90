#include "common/crypto/hpke.h"

#include <openssl/crypto.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <limits>

#include "common/crypto/openssl.h"

namespace slicelet::hpke {
namespace {

using openssl::Bytes;
using openssl::CipherContextPtr;
using openssl::KeyContextPtr;
using openssl::KeyPtr;

constexpr std::size_t kHashBytes = 32;
constexpr std::size_t kNonceBytes = 12;
constexpr std::size_t kTagBytes = 16;
constexpr std::size_t kMaxPlain = 64u << 20;

std::size_t KeyBytesOf(Aead aead) { return aead == Aead::kAes128Gcm ? 16 : 32; }

/// I2OSP(value, 2).
std::string TwoBytes(std::size_t value) {
  return {static_cast<char>((value >> 8) & 0xff), static_cast<char>(value & 0xff)};
}

std::string KemSuite() { return "KEM" + TwoBytes(0x0020); }
std::string HpkeSuite(Aead aead) {
  return "HPKE" + TwoBytes(0x0020) + TwoBytes(0x0001) + TwoBytes(static_cast<std::size_t>(aead));
}

std::string Hmac(std::string_view key, std::string_view bytes) {
  std::string mac(kHashBytes, '\0');
  unsigned int size = 0;
  HMAC(EVP_sha256(), Bytes(key), static_cast<int>(key.size()), Bytes(bytes), bytes.size(), Bytes(mac), &size);
  return mac;
}

/// RFC 5869 section 2.3.
std::string Expand(std::string_view prk, std::string_view info, std::size_t length) {
  std::string output;
  std::string block;
  for (char counter = 1; output.size() < length; ++counter) {
    block += info;
    block += counter;
    block = Hmac(prk, block);
    output += block;
  }
  output.resize(length);
  return output;
}

// RFC 9180 section 4.
std::string LabeledExtract(const std::string& suite, std::string_view salt, std::string_view label,
                           std::string_view material) {
  std::string input = "HPKE-v1" + suite;
  input += label;
  input += material;
  return Hmac(salt, input);
}

std::string LabeledExpand(const std::string& suite, std::string_view prk, std::string_view label,
                          std::string_view info, std::size_t length) {
  std::string input = TwoBytes(length) + "HPKE-v1" + suite;
  input += label;
  input += info;
  return Expand(prk, input, length);
}

/// X25519; refuses the all-zero result, as RFC 9180 section 7.1.4 asks.
absl::StatusOr<std::string> DiffieHellman(EVP_PKEY* own, std::string_view peer_public_key) {
  const KeyPtr peer(
      EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, nullptr, Bytes(peer_public_key), peer_public_key.size()));
  const KeyContextPtr context(EVP_PKEY_CTX_new(own, nullptr));
  std::string secret(kKeyBytes, '\0');
  std::size_t size = secret.size();
  if (!peer || !context || EVP_PKEY_derive_init(context.get()) != 1 ||
      EVP_PKEY_derive_set_peer(context.get(), peer.get()) != 1 ||
      EVP_PKEY_derive(context.get(), Bytes(secret), &size) != 1) {
    return absl::PermissionDeniedError("X25519 failed: " + openssl::LastError());
  }
  return secret;
}

struct Keys {
  std::string key;
  std::string nonce;
};

/// RFC 9180 sections 4.1 (ExtractAndExpand) and 5.1 (KeySchedule, mode 0, no psk).
Keys DeriveKeys(Aead aead, std::string_view dh, std::string_view enc, std::string_view recipient_public_key,
                std::string_view info) {
  const std::string kem = KemSuite();
  const std::string kem_context = std::string(enc) + std::string(recipient_public_key);
  const std::string shared_secret =
      LabeledExpand(kem, LabeledExtract(kem, "", "eae_prk", dh), "shared_secret", kem_context, kHashBytes);

  const std::string suite = HpkeSuite(aead);
  const std::string context = std::string(1, '\0') + LabeledExtract(suite, "", "psk_id_hash", "") +
                              LabeledExtract(suite, "", "info_hash", info);
  const std::string secret = LabeledExtract(suite, shared_secret, "secret", "");
  return {.key = LabeledExpand(suite, secret, "key", context, KeyBytesOf(aead)),
          .nonce = LabeledExpand(suite, secret, "base_nonce", context, kNonceBytes)};
}

const EVP_CIPHER* CipherOf(Aead aead) {
  return aead == Aead::kAes128Gcm ? EVP_aes_128_gcm() : EVP_aes_256_gcm();
}

}  // namespace

absl::StatusOr<Sealed> Seal(Aead aead, std::string_view recipient_public_key, std::string_view info,
                            std::string_view aad, std::string_view plain,
                            std::string_view ephemeral_private_key) {
  if (recipient_public_key.size() != kKeyBytes) {
    return absl::InvalidArgumentError("an X25519 public key has 32 bytes, not " +
                                      std::to_string(recipient_public_key.size()));
  }
  if (plain.size() > kMaxPlain) return absl::InvalidArgumentError("more than 64 MiB to seal");
  KeyPtr ephemeral =
      ephemeral_private_key.empty()
          ? openssl::GenerateCurveKey(EVP_PKEY_X25519)
          : KeyPtr(EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, nullptr, Bytes(ephemeral_private_key),
                                                ephemeral_private_key.size()));
  if (!ephemeral) return openssl::InternalError("cannot make an X25519 key");
  Sealed sealed;
  SLICELET_ASSIGN_OR_RETURN(sealed.enc, openssl::RawPublicKey(ephemeral.get()));
  SLICELET_ASSIGN_OR_RETURN(const std::string dh, DiffieHellman(ephemeral.get(), recipient_public_key));
  const Keys keys = DeriveKeys(aead, dh, sealed.enc, recipient_public_key, info);

  const CipherContextPtr context(EVP_CIPHER_CTX_new());
  sealed.ciphertext.resize(plain.size() + kTagBytes);
  int size = 0;
  int last = 0;
  if (!context ||
      EVP_EncryptInit_ex(context.get(), CipherOf(aead), nullptr, Bytes(std::string_view(keys.key)),
                         Bytes(std::string_view(keys.nonce))) != 1 ||
      EVP_EncryptUpdate(context.get(), nullptr, &size, Bytes(aad), static_cast<int>(aad.size())) != 1 ||
      EVP_EncryptUpdate(context.get(), Bytes(sealed.ciphertext), &size, Bytes(plain),
                        static_cast<int>(plain.size())) != 1 ||
      EVP_EncryptFinal_ex(context.get(), Bytes(sealed.ciphertext) + size, &last) != 1 ||
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, kTagBytes,
                          Bytes(sealed.ciphertext) + plain.size()) != 1) {
    return openssl::InternalError("cannot seal");
  }
  return sealed;
}

absl::StatusOr<std::string> Open(Aead aead, std::string_view private_key, std::string_view enc,
                                 std::string_view info, std::string_view aad, std::string_view ciphertext) {
  if (enc.size() != kKeyBytes || ciphertext.size() < kTagBytes || ciphertext.size() > kMaxPlain + kTagBytes) {
    return absl::PermissionDeniedError("a sealed blob has an impossible size");
  }
  const KeyPtr own(
      EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, nullptr, Bytes(private_key), private_key.size()));
  if (!own) return absl::InvalidArgumentError("not an X25519 private key");
  SLICELET_ASSIGN_OR_RETURN(const std::string public_key, openssl::RawPublicKey(own.get()));
  SLICELET_ASSIGN_OR_RETURN(const std::string dh, DiffieHellman(own.get(), enc));
  const Keys keys = DeriveKeys(aead, dh, enc, public_key, info);

  const std::string_view body = ciphertext.substr(0, ciphertext.size() - kTagBytes);
  std::string tag(ciphertext.substr(body.size()));
  std::string plain(body.size(), '\0');
  const CipherContextPtr context(EVP_CIPHER_CTX_new());
  int size = 0;
  int last = 0;
  // An empty output buffer may have a null pointer, which would mean additional data.
  std::string nothing(1, '\0');
  unsigned char* output = plain.empty() ? Bytes(nothing) : Bytes(plain);
  if (!context ||
      EVP_DecryptInit_ex(context.get(), CipherOf(aead), nullptr, Bytes(std::string_view(keys.key)),
                         Bytes(std::string_view(keys.nonce))) != 1 ||
      EVP_DecryptUpdate(context.get(), nullptr, &size, Bytes(aad), static_cast<int>(aad.size())) != 1 ||
      EVP_DecryptUpdate(context.get(), output, &size, Bytes(body), static_cast<int>(body.size())) != 1 ||
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, kTagBytes, Bytes(tag)) != 1 ||
      EVP_DecryptFinal_ex(context.get(), output + size, &last) != 1) {
    ERR_clear_error();
    OPENSSL_cleanse(plain.data(), plain.size());
    return absl::PermissionDeniedError("it was changed, or sealed for another key, host, pod or content");
  }
  return plain;
}

}  // namespace slicelet::hpke
