#include "provider/logs/log_tail_shelf.h"

#include <algorithm>
#include <utility>

#include "provider/logs/log_tail.h"

namespace slicelet::provider {
namespace {

std::uint64_t SizeOf(const v1::LogTailRecord& record) {
  std::uint64_t bytes = LogTailShelf::kEntryBytes;
  for (const auto& instance : record.instances()) bytes += instance.bytes();
  return bytes;
}

std::int64_t TakenAt(const v1::LogTailRecord& record) {
  std::int64_t taken = 0;
  for (const auto& instance : record.instances()) taken = std::max(taken, instance.taken());
  return taken;
}

}  // namespace

LogTailShelf::LogTailShelf(HubStore& store, std::uint64_t limit) : store_(store), limit_(limit) {
  for (const auto& [key, record] : store.loaded().log_tails) {
    index_[Inner(key)] = record;
    bytes_ += SizeOf(record);
  }
}

const v1::LogTailRecord* LogTailShelf::Find(const HubStore::LogTailKey& key) const {
  const auto it = index_.find(Inner(key));
  return it == index_.end() ? nullptr : &it->second;
}

absl::StatusOr<HubStore::LogTail> LogTailShelf::Read(const HubStore::LogTailKey& key) const {
  const v1::LogTailRecord* record = Find(key);
  if (record == nullptr) return absl::NotFoundError("nothing is kept of this log");
  absl::StatusOr<HubStore::LogTail> tail = store_.ReadLogTail(key);
  if (!tail.ok()) return tail;
  for (auto& instance : *tail->record.mutable_instances()) {
    const auto* newer = FindInstance(*record, instance.container_id());
    if (newer != nullptr && newer->through() == instance.through()) instance.set_taken(newer->taken());
  }
  return tail;
}

LogTailShelf::Index::iterator LogTailShelf::Erase(Index::iterator it, HubStore::Batch& batch) {
  const auto& [host, uid, container] = it->first;
  batch.log_tails[{uid, host, container}] = std::nullopt;
  bytes_ -= SizeOf(it->second);
  return index_.erase(it);
}

LogTailShelf::Index::iterator LogTailShelf::Oldest(Index::iterator begin, Index::iterator end,
                                                   Index::iterator spared) {
  auto oldest = end;
  for (auto it = begin; it != end; ++it) {
    if (it != spared && (oldest == end || TakenAt(it->second) < TakenAt(oldest->second))) oldest = it;
  }
  return oldest;
}

void LogTailShelf::Put(const HubStore::LogTailKey& key, HubStore::LogTail tail, HubStore::Batch& batch) {
  const HostId& host = std::get<1>(key);
  const auto [put, inserted] = index_.try_emplace(Inner(key));
  if (!inserted) bytes_ -= SizeOf(put->second);
  put->second = tail.record;
  bytes_ += SizeOf(tail.record);
  batch.log_tails[key] = std::move(tail);
  const auto make_room = [&](auto begin, auto end) {
    const auto oldest = Oldest(begin(), end(), put);
    if (oldest == end()) return false;
    Erase(oldest, batch);
    ++dropped_;
    return true;
  };
  const auto first = [&] { return index_.lower_bound({host, PodUid(), ""}); };
  const auto behind = [&] {
    return std::find_if(first(), index_.end(),
                        [&host](const auto& entry) { return std::get<0>(entry.first) != host; });
  };
  while (BytesOf(host) > kMaxHostBytes && make_room(first, behind)) {
  }
  while (bytes_ > limit_ && make_room([this] { return index_.begin(); }, [this] { return index_.end(); })) {
  }
}

void LogTailShelf::SetTaken(const HubStore::LogTailKey& key, const std::string& container_id,
                            std::int64_t taken) {
  const auto it = index_.find(Inner(key));
  if (it == index_.end()) return;
  for (auto& instance : *it->second.mutable_instances()) {
    if (instance.container_id() == container_id) instance.set_taken(taken);
  }
}

void LogTailShelf::Drop(const PodUid& uid, const HostId& host, HubStore::Batch& batch) {
  auto it = index_.lower_bound({host, uid, ""});
  while (it != index_.end() && std::get<0>(it->first) == host && std::get<1>(it->first) == uid)
    it = Erase(it, batch);
}

void LogTailShelf::Sweep(const std::function<bool(const PodUid&, const HostId&)>& wanted,
                         HubStore::Batch& batch) {
  for (auto it = index_.begin(); it != index_.end();)
    it = wanted(std::get<1>(it->first), std::get<0>(it->first)) ? std::next(it) : Erase(it, batch);
}

void LogTailShelf::Reload(const std::vector<HubStore::LogTailKey>& keys) {
  for (const HubStore::LogTailKey& key : keys) {
    if (const auto it = index_.find(Inner(key)); it != index_.end()) {
      bytes_ -= SizeOf(it->second);
      index_.erase(it);
    }
    const auto tail = store_.ReadLogTail(key);
    if (!tail.ok()) continue;
    index_[Inner(key)] = tail->record;
    bytes_ += SizeOf(tail->record);
  }
}

std::uint64_t LogTailShelf::BytesOf(const HostId& host) const {
  std::uint64_t bytes = 0;
  for (auto it = index_.lower_bound({host, PodUid(), ""});
       it != index_.end() && std::get<0>(it->first) == host; ++it)
    bytes += SizeOf(it->second);
  return bytes;
}

}  // namespace slicelet::provider
