#include "provider/manifest/blob_shelf.h"

#include <utility>

namespace slicelet::provider {

BlobShelf::BlobShelf(HubStore& store)
    : store_(store), held_(store.loaded().blobs.begin(), store.loaded().blobs.end()), unused_(held_) {}

void BlobShelf::Put(HubStore::Batch& batch, const Digest& digest, std::string bytes) {
  if (!held_.insert(digest).second) return;
  batch.blobs[digest] = std::move(bytes);
  if (uses_.count(digest) == 0) unused_.insert(digest);
}

void BlobShelf::Undo(const HubStore::Batch& batch) {
  for (const auto& [digest, bytes] : batch.blobs) {
    if (bytes) {
      held_.erase(digest);
      unused_.erase(digest);
    } else {
      held_.insert(digest);
      if (uses_.count(digest) == 0) unused_.insert(digest);
    }
  }
}

void BlobShelf::Missing(const Digest& digest) {
  held_.erase(digest);
  unused_.erase(digest);
}

void BlobShelf::Use(const std::set<Digest>& digests) {
  for (const Digest& digest : digests) {
    ++uses_[digest];
    unused_.erase(digest);
  }
}

void BlobShelf::Release(const std::set<Digest>& digests) {
  for (const Digest& digest : digests) {
    const auto it = uses_.find(digest);
    if (it == uses_.end() || --it->second > 0) continue;
    uses_.erase(it);
    if (held_.count(digest) != 0) unused_.insert(digest);
  }
}

void BlobShelf::Sweep(HubStore::Batch& batch) {
  for (const Digest& digest : std::exchange(unused_, {})) {
    batch.blobs[digest] = std::nullopt;
    held_.erase(digest);
  }
}

std::set<Digest> BlobsOf(const v1::Manifest& manifest) {
  std::set<Digest> digests;
  for (const v1::Deployment& deployment : manifest.deployments()) {
    digests.insert(Digest(deployment.digest()));
    for (const v1::BlobRef& blob : deployment.blobs()) digests.insert(Digest(blob.digest()));
  }
  return digests;
}

}  // namespace slicelet::provider
