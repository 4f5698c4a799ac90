#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "common/base/ids.h"
#include "provider/store/hub_store.h"

namespace slicelet::provider {

/// Which ends of logs the store holds, and that they are not too many. Their lines stay on disk.
class LogTailShelf {
 public:
  /// Of one host: the containers of no host drive out those of others.
  static constexpr std::uint64_t kMaxHostBytes = std::uint64_t{4} * 1024 * 1024;
  /// What an entry counts beside its lines.
  static constexpr std::uint64_t kEntryBytes = 512;

  /// Takes in what the store holds. `limit` is for all hosts together. `store` must outlive this object.
  LogTailShelf(HubStore& store, std::uint64_t limit);

  /// nullptr when nothing is kept.
  [[nodiscard]] const v1::LogTailRecord* Find(const HubStore::LogTailKey& key) const;
  /// Lines included. NotFound when nothing is kept.
  [[nodiscard]] absl::StatusOr<HubStore::LogTail> Read(const HubStore::LogTailKey& key) const;

  /// Adds it to the batch, and the removal of those that were read longest ago as far as they are too much.
  void Put(const HubStore::LogTailKey& key, HubStore::LogTail tail, HubStore::Batch& batch);
  /// It was read again, and nothing had been written to it. Not worth a write.
  void SetTaken(const HubStore::LogTailKey& key, const std::string& container_id, std::int64_t taken);
  /// Adds the removal of all that is kept of the pod on this host.
  void Drop(const PodUid& uid, const HostId& host, HubStore::Batch& batch);
  /// Adds the removal of every entry for which `wanted` is false.
  void Sweep(const std::function<bool(const PodUid&, const HostId&)>& wanted, HubStore::Batch& batch);
  /// A batch with these was not written: what is kept of them is what the store says.
  void Reload(const std::vector<HubStore::LogTailKey>& keys);

  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  [[nodiscard]] std::uint64_t BytesOf(const HostId& host) const;
  /// How many had to make room for others.
  [[nodiscard]] std::uint64_t dropped() const { return dropped_; }

 private:
  // Those of one host beside one another.
  using Key = std::tuple<HostId, PodUid, std::string>;
  using Index = std::map<Key, v1::LogTailRecord>;

  static Key Inner(const HubStore::LogTailKey& key) {
    return {std::get<1>(key), std::get<0>(key), std::get<2>(key)};
  }
  Index::iterator Erase(Index::iterator it, HubStore::Batch& batch);
  /// The entry in [begin, end) that was read longest ago and is not `spared`.
  static Index::iterator Oldest(Index::iterator begin, Index::iterator end, Index::iterator spared);

  HubStore& store_;
  const std::uint64_t limit_;
  Index index_;
  std::uint64_t bytes_ = 0;
  std::uint64_t dropped_ = 0;
};

}  // namespace slicelet::provider
