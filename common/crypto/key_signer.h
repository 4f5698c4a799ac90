#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "common/crypto/openssl.h"
#include "common/crypto/signing.h"

// For .cc files of common/crypto only. `digest` is null for keys that hash what they sign themselves
// (Ed25519).
namespace slicelet::openssl {

std::unique_ptr<Signer> MakeKeySigner(KeyPtr key, std::string public_key, const EVP_MD* digest);

/// `key` may be null, which verifies nothing.
bool VerifyWithKey(EVP_PKEY* key, const EVP_MD* digest, SignaturePurpose purpose, std::string_view bytes,
                   std::string_view signature);

}  // namespace slicelet::openssl
