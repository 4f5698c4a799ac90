#pragma once

#include <map>
#include <set>
#include <string>

#include "provider/store/hub_store.h"
#include "slicelet/v1/manifest.pb.h"

namespace slicelet::provider {

/// Which blobs the store holds, and which of them a manifest still names. Content-addressed: hosts share
/// them.
class BlobShelf {
 public:
  /// Takes in what the store holds; nothing is named yet. `store` must outlive this object.
  explicit BlobShelf(HubStore& store);

  /// Durable, or on its way in a batch before this one.
  [[nodiscard]] bool Has(const Digest& digest) const { return held_.count(digest) != 0; }
  /// Adds the blob to the batch unless it is held already.
  void Put(HubStore::Batch& batch, const Digest& digest, std::string bytes);
  /// The batch was not written: what it would have added is not held, what it would have removed still is.
  void Undo(const HubStore::Batch& batch);
  /// It turned out not to be there.
  void Missing(const Digest& digest);
  [[nodiscard]] absl::StatusOr<std::string> Read(const Digest& digest) { return store_.ReadBlob(digest); }

  /// A manifest (signed, or about to be) names these; each `Use` needs one `Release`.
  void Use(const std::set<Digest>& digests);
  void Release(const std::set<Digest>& digests);
  /// Adds the removal of what no manifest names to the batch.
  void Sweep(HubStore::Batch& batch);

 private:
  HubStore& store_;
  std::set<Digest> held_;
  std::set<Digest> unused_;
  std::map<Digest, int> uses_;
};

/// Every blob that the manifest's deployments name: workloads and contents.
std::set<Digest> BlobsOf(const v1::Manifest& manifest);

}  // namespace slicelet::provider
