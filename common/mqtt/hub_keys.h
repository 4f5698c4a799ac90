#pragma once

#include <set>
#include <string>
#include <vector>

#include "common/crypto/signing.h"
#include "slicelet/v1/envelope.pb.h"

namespace slicelet {

/// The hub's keys as a host knows them: what signs envelopes, and what answers are sealed for. All are
/// certified by the root key; where they came from does not matter.
class HubKeys {
 public:
  HubKeys(const std::string& hub_id, const std::string& root_public_key)
      : hub_id_(hub_id),
        envelope_(hub_id, root_public_key, "envelope"),
        inbox_(hub_id, root_public_key, "inbox") {}

  /// Adds those that are certified for one of the uses; the others are not ours to judge. True when a key
  /// came that was not known.
  template <typename Certificates>
  bool Add(const Certificates& certificates) {
    const auto before = Ids();
    for (const v1::KeyCertificate& certificate : certificates) {
      if (!envelope_.Add(certificate).ok()) (void)inbox_.Add(certificate);
    }
    return Ids() != before;
  }
  /// Of the keys that count now.
  [[nodiscard]] std::vector<v1::KeyCertificate> certificates() const {
    std::vector<v1::KeyCertificate> all;
    for (const KeyRing* ring : {&envelope_, &inbox_}) {
      for (const auto& [id, certificate] : ring->certificates()) all.push_back(certificate);
    }
    return all;
  }

  [[nodiscard]] absl::Status Verify(const v1::Envelope& envelope) const {
    return envelope_.Verify(SignaturePurpose::kEnvelope, envelope.key_id(), envelope.body(),
                            envelope.signature());
  }
  /// PermissionDenied or NotFound unless this hub announced it. Its keys are to be added before.
  [[nodiscard]] absl::StatusOr<v1::HubAnnouncementBody> Open(const v1::HubAnnouncement& announcement) const {
    SLICELET_RETURN_IF_ERROR(envelope_.Verify(SignaturePurpose::kHub, announcement.key_id(),
                                              announcement.body(), announcement.signature()));
    v1::HubAnnouncementBody body;
    if (!body.ParseFromString(announcement.body()) || body.hub_id() != hub_id_) {
      return absl::PermissionDeniedError("an announcement of hub \"" + body.hub_id() + "\"");
    }
    return body;
  }
  /// X25519, 32 bytes; empty while none is known.
  [[nodiscard]] std::string inbox_key() const {
    return inbox_.keys().empty() ? std::string() : inbox_.keys().begin()->second;
  }

 private:
  [[nodiscard]] std::set<std::string> Ids() const {
    std::set<std::string> ids;
    for (const KeyRing* ring : {&envelope_, &inbox_}) {
      for (const auto& [id, key] : ring->keys()) ids.insert(id);
    }
    return ids;
  }

  std::string hub_id_;
  KeyRing envelope_;
  KeyRing inbox_;
};

/// What `HubKeys::Open` opens: `body` signed by the hub's envelope key, with the certificates of its keys.
inline v1::HubAnnouncement SignAnnouncement(const v1::HubAnnouncementBody& body, const Signer& signer,
                                            const std::vector<v1::KeyCertificate>& keys) {
  v1::HubAnnouncement announcement;
  announcement.set_body(body.SerializeAsString());
  announcement.set_key_id(signer.key_id());
  announcement.set_signature(signer.Sign(SignaturePurpose::kHub, announcement.body()));
  for (const v1::KeyCertificate& key : keys) *announcement.add_keys() = key;
  return announcement;
}

}  // namespace slicelet
