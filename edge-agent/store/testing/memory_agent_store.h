#pragma once

#include <deque>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/base/encoding.h"
#include "common/loop/loop.h"
#include "edge-agent/store/agent_store.h"

namespace slicelet::agent {

/// `AgentStore` in memory, with a disk that outlives the process: `Crash` forgets what was not durable, and
/// the next agent is given the same object. Writes take `commit_time` of the loop's time; waiting batches
/// share one write, as in the real store.
class MemoryAgentStore : public AgentStore {
 public:
  /// Where a power cut may strike: before a batch is on disk, after it is but before anybody knows, and
  /// after.
  enum class CrashPoint { kRequested, kDurable, kDone };

  struct Options {
    Duration commit_time = std::chrono::milliseconds(2);
    /// A planted bug: says "durable" at once and writes later.
    bool acknowledge_before_durable = false;
  };

  /// `loop` must outlive this object.
  explicit MemoryAgentStore(Loop& loop) : MemoryAgentStore(loop, Options{}) {}
  MemoryAgentStore(Loop& loop, Options options) : loop_(loop), options_(options) {}

  // ---- AgentStore ----

  [[nodiscard]] const Loaded& loaded() const override { return loaded_; }

  void Commit(Batch batch, StatusCallback done) override {
    if (At(CrashPoint::kRequested)) return;
    ++commits_requested_;
    if (options_.acknowledge_before_durable) {
      Later(Duration::zero(), [done] { done(absl::OkStatus()); });
      waiting_.push_back({std::move(batch), [](const absl::Status&) {}});
    } else {
      waiting_.push_back({std::move(batch), std::move(done)});
    }
    if (!writing_) Write();
  }

  absl::StatusOr<std::string> ReadBlob(const Digest& digest) override {
    const auto it = disk_.blobs.find(digest);
    if (it == disk_.blobs.end()) return absl::NotFoundError("no blob " + Short(digest));
    if (Sha256(it->second) != digest) {
      disk_.blobs.erase(it);
      return absl::DataLossError("blob " + Short(digest) + " is damaged");
    }
    return it->second;
  }

  // ---- What a test does to it ----

  /// The process died: pending batches are lost, their callbacks never run, and `loaded` is what the disk
  /// holds.
  void Crash() {
    ++life_;
    waiting_.clear();
    writing_ = false;
    Load();
  }

  /// The disk was exchanged, or the file was damaged and put aside; implies `Crash`.
  void Lose() {
    disk_ = {};
    Crash();
  }

  /// While set, every commit fails with RESOURCE_EXHAUSTED and changes nothing.
  void SetDiskFull(bool full) { full_ = full; }
  /// While set, writes hang: they finish `commit_time` after it is cleared.
  void SetStalled(bool stalled) {
    stalled_ = stalled;
    if (!stalled_ && !writing_ && !waiting_.empty()) Write();
  }
  /// Flips one bit of a stored blob.
  void DamageBlob(const Digest& digest) {
    if (const auto it = disk_.blobs.find(digest); it != disk_.blobs.end() && !it->second.empty())
      it->second[0] ^= 1;
  }

  /// Called at every crash point; true kills the process there (as by `Crash`). The hook must not call the
  /// store, and whoever set it destroys the agent soon after.
  void OnCrashPoint(std::function<bool(CrashPoint)> strike) { strike_ = std::move(strike); }

  // ---- What a test looks at: only durable things ----

  [[nodiscard]] const std::optional<v1::SignedManifest>& manifest() const { return disk_.manifest; }
  [[nodiscard]] const v1::AgentSettings& settings() const { return disk_.settings; }
  [[nodiscard]] const std::map<PodUid, v1::PodRecord>& records() const { return disk_.records; }
  [[nodiscard]] const std::map<Digest, std::string>& blobs() const { return disk_.blobs; }
  [[nodiscard]] int commits_requested() const { return commits_requested_; }
  /// How many times the disk was synced.
  [[nodiscard]] int writes() const { return writes_; }

 private:
  struct Disk {
    std::optional<v1::SignedManifest> manifest;
    v1::AgentSettings settings;
    std::map<PodUid, v1::PodRecord> records;
    std::map<std::pair<std::string, std::string>, v1::StoredCredential> credentials;
    std::map<Digest, std::string> blobs;
  };
  struct Pending {
    Batch batch;
    StatusCallback done;
  };

  void Later(Duration delay, Loop::Task task) {
    loop_.RunAfter(delay, lifetime_.Guard([this, life = life_, task = std::move(task)] {
      if (life == life_) task();
    }));
  }

  bool At(CrashPoint point) {
    if (!strike_ || !strike_(point)) return false;
    Crash();
    return true;
  }

  void Write() {
    if (stalled_) return;
    writing_ = true;
    std::deque<Pending> group;
    group.swap(waiting_);
    Later(options_.commit_time, [this, group = std::move(group)] {
      const bool full = full_;
      if (!full) {
        for (const auto& pending : group) ApplyToDisk(pending.batch);
        ++writes_;
      }
      writing_ = false;
      if (At(CrashPoint::kDurable)) return;
      const auto life = life_;
      for (const auto& pending : group) {
        pending.done(full ? absl::ResourceExhaustedError("the agent's store is full") : absl::OkStatus());
        if (life != life_ || At(CrashPoint::kDone)) return;
      }
      if (!writing_ && !waiting_.empty()) Write();
    });
  }

  void ApplyToDisk(const Batch& batch) {
    if (batch.manifest) disk_.manifest = batch.manifest;
    if (batch.settings) disk_.settings = *batch.settings;
    for (const auto& [uid, record] : batch.records) {
      if (record)
        disk_.records[uid] = *record;
      else
        disk_.records.erase(uid);
    }
    for (const auto& [digest, bytes] : batch.blobs) {
      if (bytes)
        disk_.blobs[digest] = *bytes;
      else
        disk_.blobs.erase(digest);
    }
    for (const auto& uid : batch.drop_credentials) {
      std::erase_if(disk_.credentials, [&](const auto& entry) { return entry.first.first == uid.value(); });
    }
    for (const auto& credential : batch.credentials) {
      disk_.credentials[{credential.uid(), credential.name()}] = credential;
    }
  }

  void Load() {
    loaded_ = {};
    loaded_.manifest = disk_.manifest;
    loaded_.settings = disk_.settings;
    loaded_.records = disk_.records;
    for (const auto& [key, credential] : disk_.credentials) loaded_.credentials.push_back(credential);
    for (const auto& [digest, bytes] : disk_.blobs) loaded_.blobs.push_back(digest);
  }

  Loop& loop_;
  const Options options_;
  Disk disk_;
  Loaded loaded_;
  std::deque<Pending> waiting_;
  bool writing_ = false;
  bool full_ = false;
  bool stalled_ = false;
  std::uint64_t life_ = 0;
  std::function<bool(CrashPoint)> strike_;
  int commits_requested_ = 0;
  int writes_ = 0;
  Lifetime lifetime_;
};

}  // namespace slicelet::agent
