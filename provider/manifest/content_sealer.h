#pragma once

#include <map>
#include <string>

#include "common/base/ids.h"
#include "common/base/status.h"
#include "slicelet/v1/manifest.pb.h"

namespace slicelet::provider {

/// To whom a secret is sealed.
struct SealTo {
  HostId host;
  /// The host's X25519 key, from its Birth.
  std::string key_id;
  std::string public_key;
};

/// Turns what a pod refers to into the blobs of one host's manifest.
///
/// A sealed blob differs each time it is made, so it is made only when its content or the host's key changed:
/// the BlobRef's tag (keyed with the hub's secret) tells, also after a restart or a lost store.
class ContentSealer {
 public:
  ContentSealer(std::string hub_id, std::string tag_key)
      : hub_id_(std::move(hub_id)), tag_key_(std::move(tag_key)) {}

  /// A reference to readable content (a ConfigMap's).
  [[nodiscard]] static v1::BlobRef Plain(const ContentId& content, const std::string& bytes);
  /// A reference to a secret of `pod`. `former` (may be null) is kept when it is still good; otherwise the
  /// new blob is added to `blobs`.
  absl::StatusOr<v1::BlobRef> Sealed(const SealTo& to, const PodUid& pod, const ContentId& content,
                                     const std::string& bytes, const v1::BlobRef* former,
                                     std::map<Digest, std::string>& blobs) const;

 private:
  std::string hub_id_;
  std::string tag_key_;
};

}  // namespace slicelet::provider
