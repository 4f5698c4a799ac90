#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "common/base/status.h"
#include "slicelet/v1/manifest.pb.h"

namespace slicelet {

/// What a signature is for. Each covers "slicelet/v1/PURPOSE\0" plus the exact bytes, so that nothing signed
/// for one use passes for another.
enum class SignaturePurpose { kManifest, kEnvelope, kPointer, kKey, kHub };

/// What a signature really covers.
std::string SignedBytes(SignaturePurpose purpose, std::string_view bytes);

/// Holds a private key: Ed25519 (RFC 8032) unless said otherwise.
class Signer {
 public:
  virtual ~Signer() = default;
  /// First 16 hex digits of the SHA-256 of the public key.
  [[nodiscard]] virtual const std::string& key_id() const = 0;
  /// 32 raw bytes.
  [[nodiscard]] virtual const std::string& public_key() const = 0;
  [[nodiscard]] virtual std::string Sign(SignaturePurpose purpose, std::string_view bytes) const = 0;
};

/// From a PKCS#8 PEM private key. InvalidArgument if it is not Ed25519.
absl::StatusOr<std::unique_ptr<Signer>> MakeSigner(const std::string& private_key_pem);
/// A new Ed25519 private key as PKCS#8 PEM.
std::string GenerateSigningKeyPem();
/// From 32 bytes of seed: for tests that need the same key every time.
std::unique_ptr<Signer> MakeSignerFromSeed(std::string_view seed);

/// True when `signature` is the key's over the purpose and the bytes. `public_key` is 32 raw bytes.
bool VerifySignature(std::string_view public_key, SignaturePurpose purpose, std::string_view bytes,
                     std::string_view signature);

/// The first 16 hex digits of the SHA-256 of a public key.
std::string KeyIdOf(std::string_view public_key);

/// A certificate of `key` for `purpose` ("manifest") made by the hub's root key.
v1::KeyCertificate CertifyKey(const Signer& root, const std::string& hub_id, std::string_view public_key,
                              const std::string& purpose, std::uint64_t number);

/// The keys of one purpose that a host trusts: those its hub's root key certified for it, with a number not
/// below the highest seen. Withdrawn ones still prove what was accepted before they were.
class KeyRing {
 public:
  static constexpr std::size_t kMaxWithdrawn = 4;

  KeyRing(std::string hub_id, std::string root_public_key, std::string purpose = "manifest")
      : hub_id_(std::move(hub_id)),
        root_public_key_(std::move(root_public_key)),
        purpose_(std::move(purpose)) {}

  /// PermissionDenied when the certificate is forged, for another hub or purpose, or withdrawn by a higher
  /// number.
  absl::Status Add(const v1::KeyCertificate& certificate);
  /// NotFound for an unknown key id, PermissionDenied for a bad signature. OK means: exactly these bytes were
  /// signed by this hub for this use.
  [[nodiscard]] absl::Status Verify(SignaturePurpose purpose, const std::string& key_id,
                                    std::string_view bytes, std::string_view signature) const;
  /// The same for a manifest.
  [[nodiscard]] absl::Status VerifyManifest(const v1::SignedManifest& manifest) const;
  /// The same for a manifest that was accepted before: a withdrawn key counts too. Never for a new one.
  [[nodiscard]] absl::Status VerifyAccepted(const v1::SignedManifest& manifest) const;
  [[nodiscard]] const std::map<std::string, v1::KeyCertificate>& certificates() const {
    return certificates_;
  }
  /// Raw public keys by key id, all with the highest number seen.
  [[nodiscard]] const std::map<std::string, std::string>& keys() const { return keys_; }
  /// The latest `kMaxWithdrawn` that a higher number replaced, by number.
  [[nodiscard]] const std::multimap<std::uint64_t, v1::KeyCertificate>& withdrawn() const {
    return withdrawn_;
  }

 private:
  void Withdraw(std::uint64_t number, const v1::KeyCertificate& certificate);

  std::string hub_id_;
  std::string root_public_key_;
  std::string purpose_;
  std::uint64_t highest_number_ = 0;
  std::map<std::string, v1::KeyCertificate> certificates_;
  std::map<std::string, std::string> keys_;
  std::multimap<std::uint64_t, v1::KeyCertificate> withdrawn_;
};

}  // namespace slicelet
