#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>

#include "common/base/time.h"
#include "common/crypto/signing.h"
#include "common/loop/loop.h"
#include "provider/manifest/blob_shelf.h"
#include "provider/store/hub_store.h"
#include "slicelet/v1/manifest.pb.h"

namespace slicelet::provider {

using Deployments = std::map<PodUid, v1::Deployment>;

/// What the next manifest of a host is to hold.
struct ManifestDraft {
  /// What the newest one holds, or what the host proved to hold.
  const Deployments& base;
  Deployments deployments;
  /// Content of digests in `deployments` that may be new to the store.
  std::map<Digest, std::string> blobs;
};

/// One host's manifest through its Generations.
///
/// A change (`Touch`) is drafted, numbered, signed and committed; only when that is durable it counts and
/// `on_durable` is called. Changes that come while a commit is under way share the next Generation. Equal
/// drafts make none. When the disk is full it tries again every `kRetryFullDisk`; the last durable manifest
/// stays in force.
class HostManifest {
 public:
  static constexpr Duration kRetryFullDisk = std::chrono::seconds(5);
  /// Agents take no larger one.
  static constexpr std::size_t kMaxManifestBytes = std::size_t{2} * 1024 * 1024;
  /// What `fresh` may take together; the rest is fetched.
  static constexpr std::size_t kMaxFreshBytes = std::size_t{64} * 1024;

  struct Dependencies {
    Loop& loop;
    Clock& clock;
    HubStore& store;
    BlobShelf& shelf;
    const Signer& signer;
  };
  struct Callbacks {
    /// Fills `deployments` and `blobs`; false: not now (a later `Touch` asks again).
    std::function<bool(ManifestDraft&)> draft;
    /// A new Generation is durable: send it. `fresh` are its small blobs that no Generation before named.
    std::function<void(const std::map<Digest, std::string>& fresh)> on_durable;
  };

  /// `stored` is the host's record, empty for a new host. A stored manifest that can not be read counts as
  /// lost.
  HostManifest(std::string hub_id, HostId host, v1::HostRecord stored, Dependencies dependencies,
               Callbacks callbacks);
  ~HostManifest();

  /// Something that the manifest depends on changed. Drafts on a later turn of the loop.
  void Touch();

  /// The host proved to hold this one, which we did not know. The next Generation has a higher epoch than
  /// both, and begins with the deployments of `proved`.
  void Relearn(const v1::Manifest& proved);
  /// Manifests are for this store of the host from now on, named by the nonce of its Birth. `amnesiac`: it
  /// holds none and accepts no other, so that one is made for it.
  void SetHostStore(const std::string& nonce, bool amnesiac);

  /// Changes to the record's other fields become durable with the next commit.
  v1::HostRecord& record() { return record_; }
  [[nodiscard]] const v1::HostRecord& record() const { return record_; }

  /// Of the newest durable manifest; {0, 0} for none.
  [[nodiscard]] Generation generation() const;
  [[nodiscard]] Digest digest() const;
  [[nodiscard]] bool has_manifest() const { return !record_.manifest().manifest().empty(); }
  [[nodiscard]] const std::string& nonce() const { return current_.nonce(); }
  /// The next Generation will be above it anyway, so that no proof of it is needed any more.
  [[nodiscard]] bool Surpasses(const Generation& claimed) const { return claimed.epoch < floor_.epoch; }
  /// Of the newest manifest, also one whose commit is under way, or of a proved one that is not yet numbered
  /// anew.
  [[nodiscard]] const Deployments& deployments() const { return base_; }
  /// A manifest that held it was ever handed to the store in this process life, or was stored or proved
  /// before.
  [[nodiscard]] bool Holds(const PodUid& uid) const {
    return base_.count(uid) != 0 || durable_.count(uid) != 0;
  }

 private:
  void Assemble();
  // The manifest stays, but the store lost some of what it names.
  void StoreMissingBlobs(std::map<Digest, std::string> blobs);
  void Commit(v1::Manifest manifest, std::map<Digest, std::string> blobs);
  void OnCommitted(const absl::Status& status, const v1::Manifest& manifest,
                   v1::SignedManifest signed_manifest, const HubStore::Batch& written, Deployments former,
                   const std::map<Digest, std::string>& fresh);

  const std::string hub_id_;
  const HostId host_;
  const Dependencies dependencies_;
  const Callbacks callbacks_;

  v1::HostRecord record_;
  v1::Manifest current_;
  Deployments durable_;
  Deployments base_;
  // New Generations are above this one.
  Generation floor_;
  // The host holds no manifest of its store.
  bool amnesiac_ = false;
  bool forced_ = false;
  bool posted_ = false;
  bool committing_ = false;
  bool dirty_ = false;
  Timer retry_;
  Lifetime lifetime_;
};

}  // namespace slicelet::provider
