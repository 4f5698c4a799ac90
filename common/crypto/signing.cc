#include "common/crypto/signing.h"

#include <cstdlib>
#include <utility>

#include "common/base/encoding.h"
#include "common/crypto/key_signer.h"
#include "common/crypto/openssl.h"

namespace slicelet {
namespace {

using openssl::Bytes;
using openssl::KeyPtr;

constexpr std::size_t kKeyBytes = 32;
constexpr std::size_t kSignatureBytes = 64;
constexpr std::size_t kKeyIdDigits = 16;

std::string_view PurposeName(SignaturePurpose purpose) {
  switch (purpose) {
    case SignaturePurpose::kManifest:
      return "manifest";
    case SignaturePurpose::kEnvelope:
      return "envelope";
    case SignaturePurpose::kPointer:
      return "pointer";
    case SignaturePurpose::kKey:
      return "key";
    case SignaturePurpose::kHub:
      return "hub";
  }
  std::abort();
}

}  // namespace

std::string SignedBytes(SignaturePurpose purpose, std::string_view bytes) {
  std::string all = "slicelet/v1/";
  all += PurposeName(purpose);
  all += '\0';
  all += bytes;
  return all;
}

absl::StatusOr<std::unique_ptr<Signer>> MakeSigner(const std::string& private_key_pem) {
  SLICELET_ASSIGN_OR_RETURN(KeyPtr key, openssl::ReadPrivateKeyPem(private_key_pem));
  if (EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_ED25519) {
    return absl::InvalidArgumentError("the signing key is not an Ed25519 key");
  }
  SLICELET_ASSIGN_OR_RETURN(std::string public_key, openssl::RawPublicKey(key.get()));
  return openssl::MakeKeySigner(std::move(key), std::move(public_key), nullptr);
}

std::string GenerateSigningKeyPem() {
  const KeyPtr key = openssl::GenerateCurveKey(EVP_PKEY_ED25519);
  if (!key) std::abort();
  return openssl::WritePrivateKeyPem(key.get());
}

std::unique_ptr<Signer> MakeSignerFromSeed(std::string_view seed) {
  KeyPtr key(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, Bytes(seed), seed.size()));
  if (seed.size() != kKeyBytes || !key) std::abort();
  auto public_key = openssl::RawPublicKey(key.get());
  return openssl::MakeKeySigner(std::move(key), std::move(public_key).value(), nullptr);
}

bool VerifySignature(std::string_view public_key, SignaturePurpose purpose, std::string_view bytes,
                     std::string_view signature) {
  if (public_key.size() != kKeyBytes || signature.size() != kSignatureBytes) return false;
  const KeyPtr key(
      EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, Bytes(public_key), public_key.size()));
  return openssl::VerifyWithKey(key.get(), nullptr, purpose, bytes, signature);
}

std::string KeyIdOf(std::string_view public_key) {
  return HexEncode(Sha256(public_key).value()).substr(0, kKeyIdDigits);
}

v1::KeyCertificate CertifyKey(const Signer& root, const std::string& hub_id, std::string_view public_key,
                              const std::string& purpose, std::uint64_t number) {
  v1::KeyCertificateBody body;
  body.set_hub_id(hub_id);
  body.set_key_id(KeyIdOf(public_key));
  body.set_public_key(std::string(public_key));
  body.set_purpose(purpose);
  body.set_number(number);
  v1::KeyCertificate certificate;
  certificate.set_body(body.SerializeAsString());
  certificate.set_signature(root.Sign(SignaturePurpose::kKey, certificate.body()));
  return certificate;
}

absl::Status KeyRing::Add(const v1::KeyCertificate& certificate) {
  // A hub sends its keys with much that it sends: one that counts is verified once.
  for (const auto& [id, known] : certificates_) {
    if (known.body() == certificate.body() && known.signature() == certificate.signature())
      return absl::OkStatus();
  }
  if (!VerifySignature(root_public_key_, SignaturePurpose::kKey, certificate.body(),
                       certificate.signature())) {
    return absl::PermissionDeniedError("key certificate is not signed by the root key of hub " + hub_id_);
  }
  v1::KeyCertificateBody body;
  if (!body.ParseFromString(certificate.body()))
    return absl::PermissionDeniedError("key certificate is malformed");
  if (body.hub_id() != hub_id_) {
    return absl::PermissionDeniedError("key certificate is for hub " + body.hub_id() + ", not " + hub_id_);
  }
  if (body.purpose() != purpose_) {
    return absl::PermissionDeniedError("key certificate is for purpose " + body.purpose() + ", not " +
                                       purpose_);
  }
  if (body.public_key().size() != kKeyBytes || body.key_id() != KeyIdOf(body.public_key())) {
    return absl::PermissionDeniedError("key certificate " + body.key_id() + " does not name its own key");
  }
  if (body.number() < highest_number_) {
    Withdraw(body.number(), certificate);
    return absl::PermissionDeniedError("key certificate " + body.key_id() + " has number " +
                                       std::to_string(body.number()) + ", withdrawn by number " +
                                       std::to_string(highest_number_));
  }
  if (body.number() > highest_number_) {
    for (const auto& [id, former] : certificates_) Withdraw(highest_number_, former);
    certificates_.clear();
    keys_.clear();
    highest_number_ = body.number();
  }
  certificates_[body.key_id()] = certificate;
  keys_[body.key_id()] = body.public_key();
  return absl::OkStatus();
}

absl::Status KeyRing::Verify(SignaturePurpose purpose, const std::string& key_id, std::string_view bytes,
                             std::string_view signature) const {
  const std::string what(PurposeName(purpose));
  const auto key = keys_.find(key_id);
  if (key == keys_.end()) return absl::NotFoundError(what + " is signed by an unknown key " + key_id);
  if (!VerifySignature(key->second, purpose, bytes, signature)) {
    return absl::PermissionDeniedError(what + " signature of key " + key_id + " is wrong");
  }
  return absl::OkStatus();
}

absl::Status KeyRing::VerifyManifest(const v1::SignedManifest& manifest) const {
  return Verify(SignaturePurpose::kManifest, manifest.key_id(), manifest.manifest(), manifest.signature());
}

absl::Status KeyRing::VerifyAccepted(const v1::SignedManifest& manifest) const {
  for (const auto& [number, certificate] : withdrawn_) {
    v1::KeyCertificateBody body;
    if (body.ParseFromString(certificate.body()) && body.key_id() == manifest.key_id() &&
        VerifySignature(body.public_key(), SignaturePurpose::kManifest, manifest.manifest(),
                        manifest.signature())) {
      return absl::OkStatus();
    }
  }
  return VerifyManifest(manifest);
}

void KeyRing::Withdraw(std::uint64_t number, const v1::KeyCertificate& certificate) {
  for (const auto& [known, former] : withdrawn_) {
    if (former.body() == certificate.body()) return;
  }
  withdrawn_.emplace(number, certificate);
  if (withdrawn_.size() > kMaxWithdrawn) withdrawn_.erase(withdrawn_.begin());
}

}  // namespace slicelet
