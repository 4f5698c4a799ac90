#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/status.h"

namespace slicelet::hpke {

/// RFC 9180, single-shot base mode with DHKEM(X25519, HKDF-SHA256) and HKDF-SHA256. slicelet seals with
/// AES-256-GCM; the other exists because the RFC's own vectors use it.
enum class Aead : std::uint16_t { kAes128Gcm = 1, kAes256Gcm = 2 };

inline constexpr std::size_t kKeyBytes = 32;

struct Sealed {
  /// The ephemeral public key.
  std::string enc;
  /// With the 16 bytes of the tag at its end.
  std::string ciphertext;
};

/// `ephemeral_private_key` is for test vectors; leave it empty to draw one.
absl::StatusOr<Sealed> Seal(Aead aead, std::string_view recipient_public_key, std::string_view info,
                            std::string_view aad, std::string_view plain,
                            std::string_view ephemeral_private_key = {});

/// PermissionDenied when anything was changed or meant for another key.
absl::StatusOr<std::string> Open(Aead aead, std::string_view private_key, std::string_view enc,
                                 std::string_view info, std::string_view aad, std::string_view ciphertext);

}  // namespace slicelet::hpke
