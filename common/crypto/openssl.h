#pragma once

// Ownership of OpenSSL's objects. For .cc files of common/crypto and common/tls only.

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <memory>
#include <string>
#include <string_view>

#include "common/base/status.h"

namespace slicelet::openssl {

template <auto Free>
struct Deleter {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};

using KeyPtr = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;
using KeyContextPtr = std::unique_ptr<EVP_PKEY_CTX, Deleter<EVP_PKEY_CTX_free>>;
using DigestContextPtr = std::unique_ptr<EVP_MD_CTX, Deleter<EVP_MD_CTX_free>>;
using CipherContextPtr = std::unique_ptr<EVP_CIPHER_CTX, Deleter<EVP_CIPHER_CTX_free>>;
using BioPtr = std::unique_ptr<BIO, Deleter<BIO_free_all>>;

inline const unsigned char* Bytes(std::string_view text) {
  // A null pointer means "keep the former key" to some of OpenSSL's functions.
  static constexpr unsigned char kEmpty[1] = {0};
  return text.empty() ? kEmpty : reinterpret_cast<const unsigned char*>(text.data());
}

inline unsigned char* Bytes(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }

/// The newest of OpenSSL's queued errors, which it clears.
inline std::string LastError() {
  const unsigned long code = ERR_peek_last_error();
  ERR_clear_error();
  if (code == 0) return "unknown error";
  const char* reason = ERR_reason_error_string(code);
  return reason != nullptr ? reason : "error " + std::to_string(code);
}

/// What OpenSSL complains about within its scope is not left in the thread's queue, where the next connection
/// would take it for its own.
struct ErrorsEndHere {
  ErrorsEndHere() = default;
  ~ErrorsEndHere() { ERR_clear_error(); }
  ErrorsEndHere(const ErrorsEndHere&) = delete;
  ErrorsEndHere& operator=(const ErrorsEndHere&) = delete;
};

/// For what can only fail when memory or the library is broken.
inline absl::Status InternalError(const std::string& what) {
  return absl::InternalError(what + ": " + LastError());
}

inline BioPtr MemoryBio(std::string_view text) {
  return BioPtr(BIO_new_mem_buf(Bytes(text), static_cast<int>(text.size())));
}

inline std::string TakeBio(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return size > 0 ? std::string(data, static_cast<std::size_t>(size)) : std::string();
}

/// InvalidArgument when it is not an unencrypted private key in PEM.
inline absl::StatusOr<KeyPtr> ReadPrivateKeyPem(std::string_view pem) {
  const BioPtr bio = MemoryBio(pem);
  // Never ask on a terminal for a pass phrase.
  const auto no_password = [](char*, int, int, void*) { return 0; };
  KeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_password, nullptr));
  if (!key) return absl::InvalidArgumentError("not an unencrypted private key in PEM: " + LastError());
  return key;
}

/// PKCS#8, unencrypted.
inline std::string WritePrivateKeyPem(EVP_PKEY* key) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_PKCS8PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
  return TakeBio(bio.get());
}

inline absl::StatusOr<std::string> RawPublicKey(EVP_PKEY* key) {
  std::size_t size = 0;
  if (EVP_PKEY_get_raw_public_key(key, nullptr, &size) != 1) return InternalError("cannot read a public key");
  std::string raw(size, '\0');
  if (EVP_PKEY_get_raw_public_key(key, Bytes(raw), &size) != 1)
    return InternalError("cannot read a public key");
  return raw;
}

/// A new Ed25519 or X25519 key; null only when the library is broken.
inline KeyPtr GenerateCurveKey(int type) {
  const KeyContextPtr context(EVP_PKEY_CTX_new_id(type, nullptr));
  EVP_PKEY* key = nullptr;
  if (!context || EVP_PKEY_keygen_init(context.get()) != 1 || EVP_PKEY_keygen(context.get(), &key) != 1)
    return nullptr;
  return KeyPtr(key);
}

}  // namespace slicelet::openssl
