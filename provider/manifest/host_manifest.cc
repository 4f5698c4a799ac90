#include "provider/manifest/host_manifest.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "common/base/encoding.h"
#include "common/log/log.h"
#include "provider/manifest/generation.h"

namespace slicelet::provider {
namespace {

Deployments ByUid(const v1::Manifest& manifest) {
  Deployments deployments;
  for (const v1::Deployment& deployment : manifest.deployments()) {
    deployments.emplace(PodUid(deployment.uid()), deployment);
  }
  return deployments;
}

bool Same(const Deployments& a, const Deployments& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& left, const auto& right) {
    return left.first == right.first && left.second.SerializeAsString() == right.second.SerializeAsString();
  });
}

}  // namespace

HostManifest::HostManifest(std::string hub_id, HostId host, v1::HostRecord stored, Dependencies dependencies,
                           Callbacks callbacks)
    : hub_id_(std::move(hub_id)),
      host_(std::move(host)),
      dependencies_(dependencies),
      callbacks_(std::move(callbacks)),
      record_(std::move(stored)),
      retry_(dependencies.loop) {
  record_.set_host(host_.value());
  floor_ = FromProto(record_.generation());
  if (has_manifest() && !current_.ParseFromString(record_.manifest().manifest())) {
    LogError("stored manifest can not be read, waiting for the host to prove what it holds",
             {{"host", host_}});
    current_.Clear();
    record_.clear_manifest();
  }
  // After a rotation hosts take nothing that the former key signed.
  forced_ = has_manifest() && record_.manifest().key_id() != dependencies_.signer.key_id();
  durable_ = base_ = ByUid(current_);
  dependencies_.shelf.Use(BlobsOf(current_));
}

HostManifest::~HostManifest() { dependencies_.shelf.Release(BlobsOf(current_)); }

Generation HostManifest::generation() const { return FromProto(current_.generation()); }

Digest HostManifest::digest() const { return Sha256(record_.manifest().manifest()); }

void HostManifest::Touch() {
  dirty_ = true;
  if (posted_ || committing_ || retry_.armed()) return;
  posted_ = true;
  dependencies_.loop.Post(lifetime_.Guard([this] {
    posted_ = false;
    Assemble();
  }));
}

void HostManifest::Relearn(const v1::Manifest& proved) {
  const Generation held = FromProto(proved.generation());
  floor_ = {std::max(held.epoch, floor_.epoch) + 1, 0};
  durable_ = base_ = ByUid(proved);
  record_.set_relearnt(true);
  forced_ = true;
  Touch();
}

void HostManifest::SetHostStore(const std::string& nonce, bool amnesiac) {
  record_.set_host_store(nonce);
  amnesiac_ = amnesiac;
  if (amnesiac && current_.nonce() != nonce) Touch();
}

void HostManifest::Assemble() {
  if (committing_ || !dirty_) return;
  dirty_ = false;
  ManifestDraft draft{base_, {}, {}};
  if (!callbacks_.draft(draft)) return;
  const bool nonce_missing = amnesiac_ && current_.nonce() != record_.host_store();
  if (!forced_ && !nonce_missing && has_manifest() && Same(draft.deployments, base_)) {
    StoreMissingBlobs(std::move(draft.blobs));
    return;
  }

  v1::Manifest manifest;
  manifest.set_host_id(host_.value());
  manifest.set_hub_id(hub_id_);
  // The first epoch is 1, so that {0, 0} is never a manifest's.
  floor_ = {std::max<std::uint64_t>(floor_.epoch, 1), floor_.number + 1};
  *manifest.mutable_generation() = ToProto(floor_);
  manifest.set_created(ToUnixNanos(dependencies_.clock.Now()));
  manifest.set_nonce(record_.host_store());
  for (const auto& [uid, deployment] : draft.deployments) *manifest.add_deployments() = deployment;
  Commit(std::move(manifest), std::move(draft.blobs));
}

void HostManifest::StoreMissingBlobs(std::map<Digest, std::string> blobs) {
  HubStore::Batch batch;
  HubStore::Batch written;
  const std::set<Digest> named = BlobsOf(current_);
  for (auto& [digest, bytes] : blobs) {
    if (named.count(digest) != 0) dependencies_.shelf.Put(batch, digest, std::move(bytes));
  }
  if (batch.empty()) return;
  for (const auto& [digest, bytes] : batch.blobs) written.blobs[digest] = "";
  dependencies_.store.Commit(
      std::move(batch), lifetime_.Guard([this, written = std::move(written)](const absl::Status& status) {
        if (status.ok()) return;
        LogError("blobs not stored", {{"host", host_}, {"why", Describe(status)}});
        dependencies_.shelf.Undo(written);
      }));
}

void HostManifest::Commit(v1::Manifest manifest, std::map<Digest, std::string> blobs) {
  v1::SignedManifest signed_manifest;
  signed_manifest.set_manifest(manifest.SerializeAsString());
  if (signed_manifest.manifest().size() > kMaxManifestBytes) {
    LogError("manifest is too large, the host keeps its last one",
             {{"host", host_}, {"bytes", static_cast<std::uint64_t>(signed_manifest.manifest().size())}});
    return;
  }
  signed_manifest.set_key_id(dependencies_.signer.key_id());
  signed_manifest.set_signature(
      dependencies_.signer.Sign(SignaturePurpose::kManifest, signed_manifest.manifest()));

  HubStore::Batch batch;
  v1::HostRecord record = record_;
  *record.mutable_generation() = manifest.generation();
  *record.mutable_manifest() = signed_manifest;
  batch.hosts[host_] = std::move(record);
  const std::set<Digest> named = BlobsOf(manifest);
  const std::set<Digest> before = BlobsOf(current_);
  std::map<Digest, std::string> fresh;
  std::size_t room = kMaxFreshBytes;
  for (auto& [digest, bytes] : blobs) {
    if (named.count(digest) == 0) continue;
    if (before.count(digest) == 0 && bytes.size() <= room) {
      room -= bytes.size();
      fresh.emplace(digest, bytes);
    }
    dependencies_.shelf.Put(batch, digest, std::move(bytes));
  }
  dependencies_.shelf.Use(named);
  dependencies_.shelf.Sweep(batch);

  // What a failure has to undo: which blobs, not their bytes.
  HubStore::Batch written;
  for (const auto& [digest, bytes] : batch.blobs) {
    written.blobs[digest] = bytes ? std::optional<std::string>("") : std::nullopt;
  }
  committing_ = true;
  Deployments former = std::exchange(base_, ByUid(manifest));
  forced_ = false;
  dependencies_.store.Commit(
      std::move(batch),
      lifetime_.Guard([this, manifest = std::move(manifest), signed_manifest = std::move(signed_manifest),
                       written = std::move(written), former = std::move(former),
                       fresh = std::move(fresh)](const absl::Status& status) {
        OnCommitted(status, manifest, signed_manifest, written, former, fresh);
      }));
}

void HostManifest::OnCommitted(const absl::Status& status, const v1::Manifest& manifest,
                               v1::SignedManifest signed_manifest, const HubStore::Batch& written,
                               Deployments former, const std::map<Digest, std::string>& fresh) {
  committing_ = false;
  if (!status.ok()) {
    LogError("manifest not stored, trying again",
             {{"host", host_}, {"gen", FromProto(manifest.generation())}, {"why", Describe(status)}});
    dependencies_.shelf.Undo(written);
    dependencies_.shelf.Release(BlobsOf(manifest));
    // A proof that came meanwhile stays the base; without one the former base is.
    if (!forced_) base_ = std::move(former);
    forced_ = true;
    dirty_ = true;
    retry_.Set(kRetryFullDisk, [this] { Assemble(); });
    return;
  }
  dependencies_.shelf.Release(BlobsOf(current_));
  current_ = manifest;
  durable_ = ByUid(current_);
  *record_.mutable_generation() = manifest.generation();
  *record_.mutable_manifest() = std::move(signed_manifest);
  LogInfo("manifest signed", {{"host", host_},
                              {"gen", generation()},
                              {"deployments", current_.deployments_size()},
                              {"bytes", static_cast<std::uint64_t>(record_.manifest().manifest().size())}});
  // With a proof come in meanwhile the host would refuse this one; the next is on its way.
  if (!forced_) callbacks_.on_durable(fresh);
  if (dirty_) Touch();
}

}  // namespace slicelet::provider
