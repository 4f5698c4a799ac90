#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "common/base/ids.h"
#include "common/base/status.h"
#include "slicelet/v1/manifest.pb.h"

namespace slicelet {

/// What a sealed blob is bound to. Opening it for anything else fails.
struct SealContext {
  std::string hub_id;
  HostId host;
  PodUid pod;
  ContentId content;
};

/// RFC 9180 base mode with DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 and AES-256-GCM: anybody with the host's
/// public key can seal, only the host can open.
absl::StatusOr<v1::SealedBlob> Seal(std::string_view host_public_key, const SealContext& context,
                                    std::string_view plain);

/// Holds a host's X25519 sealing key.
class Opener {
 public:
  virtual ~Opener() = default;
  [[nodiscard]] virtual const std::string& key_id() const = 0;
  [[nodiscard]] virtual const std::string& public_key() const = 0;
  /// PermissionDenied when it was sealed for another key or context, or was changed.
  [[nodiscard]] virtual absl::StatusOr<std::string> Open(const SealContext& context,
                                                         const v1::SealedBlob& sealed) const = 0;
};

/// From a PKCS#8 PEM private key. InvalidArgument if it is not X25519.
absl::StatusOr<std::unique_ptr<Opener>> MakeOpener(const std::string& private_key_pem);
/// A new X25519 private key as PKCS#8 PEM.
std::string GenerateSealingKeyPem();

/// HMAC-SHA256: the keyed tag by which the hub recognises unchanged content.
std::string KeyedTag(std::string_view key, std::string_view bytes);

}  // namespace slicelet
