#include "common/mqtt/host_keys.h"

#include <algorithm>
#include <utility>

#include "common/tls/pki.h"

namespace slicelet {
namespace {

/// Certificates of one host that count at one time: the present one, and former ones that are still valid.
constexpr std::size_t kMaxKeys = 4;

}  // namespace

HostKeys::HostKeys(const std::string& hub_id, const std::string& ca, const Clock& clock, HostId host)
    : ca_(ca), clock_(clock), host_(std::move(host)), uri_("spiffe://" + hub_id + "/host/" + host_.value()) {}

absl::Status HostKeys::Learn(const v1::Envelope& envelope) {
  SLICELET_ASSIGN_OR_RETURN(TlsPublicKey key, TlsPublicKey::OfCertificate(envelope.certificate()));
  if (key.id() != envelope.key_id()) return absl::PermissionDeniedError("the certificate is of another key");
  if (!key.Verifies(SignaturePurpose::kEnvelope, envelope.body(), envelope.signature())) {
    return absl::PermissionDeniedError("the signature is wrong");
  }
  SLICELET_RETURN_IF_ERROR(VerifyCertificate(envelope.certificate(), ca_, clock_.Now()));
  SLICELET_ASSIGN_OR_RETURN(const CertificateInfo info, ReadCertificate(envelope.certificate()));
  if (info.common_name != host_.value() ||
      std::find(info.uris.begin(), info.uris.end(), uri_) == info.uris.end()) {
    return absl::PermissionDeniedError("the certificate is that of \"" + info.common_name + "\"");
  }
  if (keys_.size() >= kMaxKeys) keys_.clear();
  keys_.insert_or_assign(envelope.key_id(), std::move(key));
  // What the broker kept may be older than what came since.
  not_after_ = std::max(not_after_.value_or(info.not_after), info.not_after);
  return absl::OkStatus();
}

absl::Status HostKeys::Verify(const v1::Envelope& envelope) {
  if (!envelope.certificate().empty()) return Learn(envelope);
  const auto key = keys_.find(envelope.key_id());
  if (key == keys_.end()) return absl::NotFoundError("an unknown key " + envelope.key_id());
  if (key->second.Verifies(SignaturePurpose::kEnvelope, envelope.body(), envelope.signature())) {
    return absl::OkStatus();
  }
  return absl::PermissionDeniedError("the signature is wrong");
}

}  // namespace slicelet
