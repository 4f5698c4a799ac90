#pragma once

#include <deque>
#include <functional>
#include <utility>

#include "common/loop/loop.h"
#include "provider/store/hub_store.h"

namespace slicelet::provider {

/// `HubStore` without a disk, with the places where a crash matters. One object stands for the disk over
/// several lives of a provider: destroy the provider, call `Crash` (or `Lose`, `Restore`), make a new
/// provider on it.
class MemoryHubStore : public HubStore {
 public:
  /// The moments of a commit, in order: asked for, durable but not yet answered, answered.
  enum class Point { kRequested, kDurable, kDone };
  /// All that is durable. A copy is a backup.
  struct State {
    Loaded loaded;
    std::map<Digest, std::string> blobs;
    std::map<LogTailKey, LogTail> log_tails;
    bool created = true;
  };

  /// `fsync` is how long a commit takes.
  explicit MemoryHubStore(Loop& loop, Duration fsync = std::chrono::milliseconds(1))
      : loop_(loop), fsync_(fsync) {
    Open();
  }

  [[nodiscard]] const Loaded& loaded() const override { return opened_; }
  [[nodiscard]] bool created() const override { return opened_as_created_; }

  void Commit(Batch batch, StatusCallback done) override {
    Reach(Point::kRequested);
    if (crashed_) return;
    waiting_.push_back({std::move(batch), std::move(done)});
    if (!writing_) WriteWaiting();
  }

  absl::StatusOr<std::string> ReadBlob(const Digest& digest) override {
    const auto it = disk_.blobs.find(digest);
    if (it == disk_.blobs.end()) return absl::NotFoundError("no blob of this digest");
    return it->second;
  }

  absl::StatusOr<LogTail> ReadLogTail(const LogTailKey& key) override {
    const auto it = disk_.log_tails.find(key);
    if (it == disk_.log_tails.end()) return absl::NotFoundError("no log of this container");
    return it->second;
  }

  /// Called at every point of every commit; may call `Crash`.
  void OnPoint(std::function<void(Point)> hook) { hook_ = std::move(hook); }
  /// While full, commits fail with ResourceExhausted.
  void SetDiskFull(bool full) { full_ = full; }
  [[nodiscard]] int commits() const { return commits_; }

  /// The process died: what was not durable is lost, no `done` is called any more until `Open`.
  void Crash() {
    crashed_ = true;
    ++life_;
    waiting_.clear();
    writing_ = false;
  }
  /// The next process opens what is durable.
  void Open() {
    Crash();
    crashed_ = false;
    opened_ = disk_.loaded;
    opened_.blobs.clear();
    for (const auto& [digest, data] : disk_.blobs) opened_.blobs.push_back(digest);
    opened_.log_tails.clear();
    for (const auto& [key, tail] : disk_.log_tails) opened_.log_tails[key] = tail.record;
    opened_as_created_ = disk_.created;
    disk_.created = false;
  }
  /// Somebody deleted the file.
  void Lose() { disk_ = {}; }
  [[nodiscard]] State CopyState() const { return disk_; }
  /// Somebody put an old copy back.
  void Restore(State state) { disk_ = std::move(state); }

 private:
  struct Item {
    Batch batch;
    StatusCallback done;
  };

  void Reach(Point point) {
    if (hook_) hook_(point);
  }

  // Group commit: everything that waits becomes durable together.
  void WriteWaiting() {
    writing_ = true;
    loop_.RunAfter(fsync_, lifetime_.Guard([this, life = life_] {
      if (life != life_) return;
      writing_ = false;
      std::deque<Item> items;
      items.swap(waiting_);
      std::vector<absl::Status> results;
      results.reserve(items.size());
      for (Item& item : items) results.push_back(Write(std::move(item.batch)));
      ++commits_;
      Reach(Point::kDurable);
      for (std::size_t i = 0; i < items.size(); ++i) {
        if (life != life_) return;
        items[i].done(results[i]);
      }
      if (life != life_) return;
      Reach(Point::kDone);
      if (life == life_ && !writing_ && !waiting_.empty()) WriteWaiting();
    }));
  }

  template <typename Map, typename Changes>
  static void WriteInto(Map& map, Changes& changes) {
    for (auto& [key, value] : changes) {
      if (value) {
        map[key] = std::move(*value);
      } else {
        map.erase(key);
      }
    }
  }

  absl::Status Write(Batch batch) {
    if (full_) return absl::ResourceExhaustedError("memory store: the disk is full");
    if (batch.settings) disk_.loaded.settings = *batch.settings;
    WriteInto(disk_.loaded.hosts, batch.hosts);
    WriteInto(disk_.loaded.nodes, batch.nodes);
    WriteInto(disk_.loaded.orphans, batch.orphans);
    WriteInto(disk_.loaded.statuses, batch.statuses);
    WriteInto(disk_.loaded.placements, batch.placements);
    WriteInto(disk_.blobs, batch.blobs);
    WriteInto(disk_.log_tails, batch.log_tails);
    return absl::OkStatus();
  }

  Loop& loop_;
  const Duration fsync_;
  State disk_;
  Loaded opened_;
  bool opened_as_created_ = true;
  std::deque<Item> waiting_;
  bool writing_ = false;
  bool crashed_ = false;
  bool full_ = false;
  int life_ = 0;
  int commits_ = 0;
  std::function<void(Point)> hook_;
  Lifetime lifetime_;
};

}  // namespace slicelet::provider
