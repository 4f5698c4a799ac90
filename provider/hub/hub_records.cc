// Records on their way to the store, and again when it refused them: a full disk delays them and loses none.
#include <algorithm>
#include <utility>

#include "common/log/log.h"
#include "provider/hub/hub_impl.h"

namespace slicelet::provider {
namespace {

template <typename Keys, typename Map>
void AddKeys(Keys& keys, const Map& map) {
  for (const auto& [key, value] : map) keys.insert(keys.end(), key);
}

}  // namespace

void Hub::Impl::Commit(HubStore::Batch batch) {
  if (batch.empty()) return;
  // Here it only takes them away.
  std::vector<HubStore::LogTailKey> removed;
  AddKeys(removed, batch.log_tails);
  Unwritten refused(batch);
  d.store.Commit(std::move(batch), lifetime.Guard([this, removed = std::move(removed),
                                                   refused = std::move(refused)](const absl::Status& status) {
    if (status.ok()) return;
    LogError("record not stored, trying again", {{"why", Describe(status)}});
    if (!removed.empty()) KeepSweeping(removed);
    unwritten.Add(refused);
    if (!write_again.armed()) write_again.Set(kWriteAgain, [this] { WriteAgain(); });
  }));
}

Hub::Impl::Unwritten::Unwritten(const HubStore::Batch& batch) : settings(batch.settings.has_value()) {
  AddKeys(hosts, batch.hosts);
  for (const auto& [name, record] : batch.nodes) nodes[name] = !record.has_value();
  AddKeys(orphans, batch.orphans);
  AddKeys(statuses, batch.statuses);
  AddKeys(placements, batch.placements);
}

void Hub::Impl::Unwritten::Add(const Unwritten& other) {
  settings = settings || other.settings;
  hosts.insert(other.hosts.begin(), other.hosts.end());
  for (const auto& [name, removed] : other.nodes) nodes[name] = removed;
  orphans.insert(other.orphans.begin(), other.orphans.end());
  statuses.insert(other.statuses.begin(), other.statuses.end());
  placements.insert(other.placements.begin(), other.placements.end());
}

// Not the batches that were refused: newer ones may have been stored since.
void Hub::Impl::WriteAgain() {
  const Unwritten left = std::exchange(unwritten, {});
  HubStore::Batch batch;
  if (left.settings) batch.settings = settings;
  for (const HostId& id : left.hosts) {
    // Others are written with their manifests.
    if (FindHost(id) == nullptr) batch.hosts[id] = std::nullopt;
  }
  for (const auto& [name, removed] : left.nodes) {
    const NodeState* node = FindNode(name);
    // Fleet nodes stay for this process life.
    const bool wanted = node != nullptr && !(removed && node->fleet() && !node->selection);
    if (retiring.contains(name))
      SaveRetired(name, batch);
    else if (wanted)
      SaveNode(*node, batch);
    else
      batch.nodes[name] = std::nullopt;
  }
  for (const PodUid& uid : left.orphans) batch.orphans[uid] = std::nullopt;
  for (const auto& [name, node] : nodes) {
    for (const v1::OrphanRecord& record : node->judge->Orphans()) {
      const auto wanted = batch.orphans.find(PodUid(record.uid()));
      if (wanted != batch.orphans.end()) wanted->second = record;
    }
  }
  for (const HubStore::StatusKey& key : left.statuses) {
    if (!SaveStatus(key, batch)) batch.statuses[key] = std::nullopt;
  }
  for (const PodUid& uid : left.placements) {
    const Pod* pod = book.Find(uid);
    const auto chosen = placements.find(uid);
    if (chosen == placements.end())
      batch.placements[uid] = std::nullopt;
    else if (pod != nullptr)
      batch.placements[uid] = PlacementOf(*pod, chosen->second);
  }
  Commit(std::move(batch));
}

// The disk is full: ends of logs of pods that are gone would stay until the hub's next start.
void Hub::Impl::KeepSweeping(std::vector<HubStore::LogTailKey> left) {
  std::erase_if(left, [this](const auto& key) { return tails.shelf().Find(key) != nullptr; });
  tails.shelf().Reload(left);
  sweep_tails.Set(kSweepAgain, [this] { SweepLogTails(); });
}

}  // namespace slicelet::provider
