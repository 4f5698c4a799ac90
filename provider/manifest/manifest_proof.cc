#include "provider/manifest/manifest_proof.h"

#include <utility>

namespace slicelet::provider {

ManifestProof::ManifestProof(std::string hub_id, const Signer& signer,
                             const std::vector<v1::KeyCertificate>& certificates)
    : hub_id_(std::move(hub_id)) {
  for (const v1::KeyCertificate& certificate : certificates) {
    v1::KeyCertificateBody body;
    if (!body.ParseFromString(certificate.body())) continue;
    if (body.hub_id() == hub_id_ && body.purpose() == "manifest") keys_[body.key_id()] = body.public_key();
  }
  keys_[signer.key_id()] = signer.public_key();
}

absl::StatusOr<v1::Manifest> ManifestProof::Check(const HostId& host,
                                                  const v1::SignedManifest& claimed) const {
  const std::string prefix = "manifest held by host " + host.value() + ": ";
  const auto key = keys_.find(claimed.key_id());
  if (key == keys_.end()) {
    return absl::PermissionDeniedError(prefix + "key \"" + claimed.key_id() + "\" is none of this hub's");
  }
  if (!VerifySignature(key->second, SignaturePurpose::kManifest, claimed.manifest(), claimed.signature())) {
    return absl::PermissionDeniedError(prefix + "the signature is not this hub's");
  }
  v1::Manifest manifest;
  if (!manifest.ParseFromString(claimed.manifest()))
    return absl::PermissionDeniedError(prefix + "can not be read");
  if (manifest.host_id() != host.value() || manifest.hub_id() != hub_id_) {
    return absl::PermissionDeniedError(prefix + "was signed for host \"" + manifest.host_id() +
                                       "\" of hub \"" + manifest.hub_id() + "\"");
  }
  return manifest;
}

Claim Judge(const Generation& stored, const Digest& stored_digest, const Generation& claimed,
            const Digest& claimed_digest) {
  if (claimed < stored || claimed == Generation{}) return Claim::kOlder;
  if (claimed == stored && claimed_digest == stored_digest) return Claim::kNewest;
  return Claim::kUnknown;
}

}  // namespace slicelet::provider
