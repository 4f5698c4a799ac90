#include "edge-agent/link/blob_fetcher.h"

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include "common/base/encoding.h"
#include "common/log/log.h"

namespace slicelet::agent {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

/// Without a chunk for this long everything asked for is asked for again.
constexpr Duration kRetry = seconds(10);
/// A blob that the store can not take is brought over the link again each time.
constexpr Duration kLongestPause = minutes(5);
constexpr Duration kCollectSoon = minutes(1);
constexpr Duration kCollectAgain = minutes(30);
/// A guess where the manifest does not say: a workload.
constexpr std::uint64_t kUnknownSize = std::uint64_t{64} * 1024;

}  // namespace

BlobFetcher::BlobFetcher(Loop& loop, AgentStore& store, ManifestRunner& runner, Send send)
    : loop_(loop), store_(store), runner_(runner), send_(std::move(send)), retry_(loop), collect_(loop) {
  stored_.insert(store_.loaded().blobs.begin(), store_.loaded().blobs.end());
}

void BlobFetcher::Want(const v1::Manifest& manifest) {
  named_.clear();
  std::map<Digest, std::uint64_t> needed;
  for (const auto& deployment : manifest.deployments()) {
    named_.insert(Digest(deployment.digest()));
    if (!deployment.has_stop()) needed.emplace(Digest(deployment.digest()), 0);
    for (const auto& blob : deployment.blobs()) {
      named_.insert(Digest(blob.digest()));
      if (!deployment.has_stop()) needed[Digest(blob.digest())] = blob.size();
    }
  }
  for (auto it = transfers_.begin(); it != transfers_.end();) {
    Transfer& transfer = it->second;
    transfer.unwanted = needed.count(it->first) == 0;
    it = transfer.unwanted && transfer.stage != Stage::kStoring ? transfers_.erase(it) : std::next(it);
  }
  for (const auto& [digest, size] : needed) {
    if (stored_.count(digest) == 0) transfers_[digest].size = size;
  }
  collect_.Set(kCollectSoon, [this] { Collect(); });
  Pump();
}

void BlobFetcher::Begin() {
  open_ = true;
  for (auto& [digest, transfer] : transfers_) {
    if (transfer.stage == Stage::kAsked) transfer.stage = Stage::kWaiting;
  }
  Unpark();
  Refresh();
}

void BlobFetcher::End() {
  open_ = false;
  early_.clear();
  early_bytes_ = 0;
  retry_.Cancel();
}

void BlobFetcher::Refresh() {
  for (const auto& digest : runner_.MissingBlobs()) {
    const auto it = transfers_.find(digest);
    if (it != transfers_.end()) continue;
    // It was stored and turned out to be damaged.
    stored_.erase(digest);
    transfers_[digest];
  }
  Pump();
}

void BlobFetcher::Unpark() {
  for (auto& [digest, transfer] : transfers_) {
    if (transfer.stage == Stage::kParked && transfer.due <= loop_.Now()) transfer.stage = Stage::kWaiting;
  }
}

void BlobFetcher::Pump() {
  if (!open_) return;
  std::size_t asked = 0;
  std::uint64_t bytes = 0;
  const auto weight = [](const Transfer& transfer) {
    return transfer.size == 0 ? kUnknownSize : transfer.size;
  };
  for (const auto& [digest, transfer] : transfers_) {
    if (transfer.stage != Stage::kAsked) continue;
    ++asked;
    bytes += weight(transfer);
  }
  std::vector<Digest> wants;
  for (auto& [digest, transfer] : transfers_) {
    if (transfer.stage != Stage::kWaiting) continue;
    if (asked >= kMaxWants || (asked > 0 && bytes + weight(transfer) > kMaxBytesAsked)) break;
    transfer.stage = Stage::kAsked;
    ++asked;
    bytes += weight(transfer);
    wants.push_back(digest);
  }
  Ask(wants);
  if (transfers_.empty()) {
    retry_.Cancel();
  } else if (!retry_.armed()) {
    retry_.Set(kRetry, [this] {
      std::vector<Digest> again;
      for (auto& [digest, transfer] : transfers_) {
        if (transfer.stage == Stage::kAsked && !progress_) again.push_back(digest);
      }
      progress_ = false;
      Unpark();
      Ask(again);
      Pump();
    });
  }
}

void BlobFetcher::Ask(const std::vector<Digest>& digests) {
  if (digests.empty() || !open_) return;
  v1::Fetch fetch;
  for (const auto& digest : digests) {
    auto* want = fetch.add_wants();
    want->set_digest(digest.value());
    want->set_offset(transfers_[digest].data.size());
  }
  send_(fetch);
}

void BlobFetcher::OnBlob(const v1::Blob& blob) {
  const Digest digest(blob.digest());
  const auto it = transfers_.find(digest);
  if (it == transfers_.end()) return KeepEarly(digest, blob);
  if (it->second.stage == Stage::kStoring) return;
  auto& transfer = it->second;
  if (blob.missing()) {
    LogWarning("hub does not have a blob of the manifest", {{"blob", Short(digest)}});
    transfer.stage = Stage::kParked;
    return;
  }
  if (blob.total() > kMaxBlobBytes) {
    LogWarning("blob is too large", {{"blob", Short(digest)}, {"bytes", blob.total()}});
    transfer.stage = Stage::kParked;
    transfer.data.clear();
    return;
  }
  const std::uint64_t have = transfer.data.size();
  // A chunk beyond a gap is of no use; one that was seen is harmless.
  if (blob.offset() > have || blob.offset() + blob.data().size() > blob.total()) return;
  const auto skip = have - blob.offset();
  if (skip < blob.data().size()) {
    transfer.data.append(blob.data(), skip, std::string::npos);
    progress_ = true;
  }
  if (transfer.data.size() == blob.total()) Store(digest, transfer);
}

void BlobFetcher::Store(const Digest& digest, Transfer& transfer) {
  if (Sha256(transfer.data) != digest) {
    LogWarning("blob does not match its digest, asking again", {{"blob", Short(digest)}});
    transfer.data.clear();
    transfer.stage = Stage::kParked;
    return;
  }
  transfer.stage = Stage::kStoring;
  AgentStore::Batch batch;
  batch.blobs[digest] = std::move(transfer.data);
  transfer.data.clear();
  store_.Commit(std::move(batch),
                lifetime_.Guard([this, digest](const absl::Status& status) { OnStored({digest}, status); }));
}

void BlobFetcher::OnStored(const std::vector<Digest>& digests, const absl::Status& status) {
  if (digests.empty()) return;
  for (const auto& digest : digests) {
    if (!status.ok()) {
      LogWarning("cannot store a blob", {{"blob", Short(digest)}, {"error", Describe(status)}});
      const auto it = transfers_.find(digest);
      if (it == transfers_.end()) continue;
      Transfer& transfer = it->second;
      transfer.stage = Stage::kParked;
      transfer.pause = std::clamp<Duration>(transfer.pause * 2, kRetry, kLongestPause);
      transfer.due = loop_.Now() + transfer.pause;
      if (transfer.unwanted) transfers_.erase(it);
      continue;
    }
    stored_.insert(digest);
    transfers_.erase(digest);
  }
  if (!status.ok()) return;
  Pump();
  runner_.OnBlobsStored();
}

void BlobFetcher::KeepEarly(const Digest& digest, const v1::Blob& blob) {
  const std::size_t size = blob.data().size();
  if (blob.missing() || blob.offset() != 0 || size != blob.total() || stored_.count(digest) != 0) return;
  if (early_.count(digest) != 0 || early_bytes_ + size > kMaxEarlyBytes) return;
  early_bytes_ += size;
  early_.emplace(digest, blob.data());
}

std::vector<Digest> BlobFetcher::TakeEarly(const v1::Manifest& manifest, AgentStore::Batch& batch) {
  std::vector<Digest> taken;
  const auto take = [&](const std::string& value) {
    const auto it = early_.find(Digest(value));
    if (it == early_.end() || stored_.count(it->first) != 0 || Sha256(it->second) != it->first) return;
    Transfer& transfer = transfers_[it->first];
    if (transfer.stage == Stage::kStoring) return;
    transfer.stage = Stage::kStoring;
    transfer.data.clear();
    batch.blobs[it->first] = std::move(it->second);
    taken.push_back(it->first);
    early_.erase(it);
  };
  for (const auto& deployment : manifest.deployments()) {
    if (deployment.has_stop()) continue;
    take(deployment.digest());
    for (const auto& blob : deployment.blobs()) take(blob.digest());
  }
  // What this manifest does not name is of no use to the next.
  early_.clear();
  early_bytes_ = 0;
  return taken;
}

void BlobFetcher::Collect() {
  collect_.Set(kCollectAgain, [this] { Collect(); });
  Refresh();
  const auto live = runner_.LiveBlobs();
  std::set<Digest> keep(live.begin(), live.end());
  keep.insert(named_.begin(), named_.end());
  AgentStore::Batch batch;
  for (const auto& digest : stored_) {
    if (keep.count(digest) == 0) batch.blobs[digest] = std::nullopt;
  }
  if (batch.blobs.empty()) return;
  std::vector<Digest> dropped;
  for (const auto& [digest, nothing] : batch.blobs) {
    dropped.push_back(digest);
    // Batches are durable in order: one that is wanted again from now on is stored after this.
    stored_.erase(digest);
  }
  LogDebug("dropping blobs nobody needs", {{"count", static_cast<std::uint64_t>(dropped.size())}});
  store_.Commit(std::move(batch), lifetime_.Guard([this, dropped](const absl::Status& status) {
    if (status.ok()) return;
    // Still there: tried again with the next collection.
    for (const auto& digest : dropped) {
      if (transfers_.count(digest) == 0) stored_.insert(digest);
    }
  }));
}

}  // namespace slicelet::agent
