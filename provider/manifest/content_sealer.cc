#include "provider/manifest/content_sealer.h"

#include "common/base/encoding.h"
#include "common/crypto/sealing.h"

namespace slicelet::provider {
namespace {

// Length-prefixed, so that no two lists of parts give the same bytes.
void Append(std::string& out, const std::string& part) { out += std::to_string(part.size()) + ":" + part; }

}  // namespace

v1::BlobRef ContentSealer::Plain(const ContentId& content, const std::string& bytes) {
  v1::BlobRef ref;
  ref.set_content_id(content.value());
  ref.set_digest(Sha256(bytes).value());
  ref.set_size(bytes.size());
  return ref;
}

absl::StatusOr<v1::BlobRef> ContentSealer::Sealed(const SealTo& to, const PodUid& pod,
                                                  const ContentId& content, const std::string& bytes,
                                                  const v1::BlobRef* former,
                                                  std::map<Digest, std::string>& blobs) const {
  std::string tagged;
  for (const std::string* part :
       {&hub_id_, &to.host.value(), &to.key_id, &pod.value(), &content.value(), &bytes}) {
    Append(tagged, *part);
  }
  const std::string tag = KeyedTag(tag_key_, tagged);
  if (former != nullptr && former->sealed() && former->tag() == tag) return *former;
  SLICELET_ASSIGN_OR_RETURN(const v1::SealedBlob sealed,
                            Seal(to.public_key, {hub_id_, to.host, pod, content}, bytes));
  std::string blob = sealed.SerializeAsString();
  v1::BlobRef ref = Plain(content, blob);
  ref.set_sealed(true);
  ref.set_tag(tag);
  blobs[Digest(ref.digest())] = std::move(blob);
  return ref;
}

}  // namespace slicelet::provider
