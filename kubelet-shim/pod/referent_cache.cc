#include "kubelet-shim/pod/referent_cache.h"

#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "common/log/log.h"

namespace slicelet::shim {

ReferentCache::ReferentCache(Loop& loop, Random& random, Options options, Handler handler)
    : loop_(loop), random_(random), options_(options), handler_(std::move(handler)) {}

ReferentCache::~ReferentCache() = default;

void ReferentCache::Need(const PodUid& pod, std::shared_ptr<kube::KubeApi> api,
                         const std::set<ReferentKey>& keys, const std::set<ReferentKey>& fresh,
                         std::function<void()> on_change) {
  Pod& record = pods_[pod];
  record.api = std::move(api);
  record.on_change = std::move(on_change);
  const std::set<ReferentKey> before = std::exchange(record.keys, keys);
  for (const auto& key : before) {
    if (keys.count(key) == 0) ReleaseKey(pod, key);
  }
  for (const auto& key : keys) {
    if (before.count(key) != 0) continue;
    auto& entry = entries_[key];
    if (!entry) entry = std::make_unique<Entry>(loop_, random_, options_);
    entry->pods.insert(pod);
    if (fresh.count(key) != 0 || entry->referent.state != Referent::State::kPresent) {
      record.awaited[key] = {.read = last_read_ + 1, .failed = {}};
    }
    if (entry->reading) {
      entry->again = true;
    } else {
      Read(key);
    }
  }
}

void ReferentCache::Release(const PodUid& pod) {
  const auto it = pods_.find(pod);
  if (it == pods_.end()) return;
  const Pod record = std::move(it->second);
  pods_.erase(it);
  for (const auto& key : record.keys) ReleaseKey(pod, key);
}

void ReferentCache::ReleaseKey(const PodUid& pod, const ReferentKey& key) {
  const auto record = pods_.find(pod);
  if (record != pods_.end()) record->second.awaited.erase(key);
  const auto it = entries_.find(key);
  if (it == entries_.end()) return;
  it->second->pods.erase(pod);
  if (!it->second->pods.empty()) {
    // Its node may go with it, and then what that was asked for is never answered.
    if (it->second->reading && it->second->reader == pod) Read(key);
    return;
  }
  entries_.erase(it);
  handler_.on_released(key);
}

const Referent* ReferentCache::Find(const PodUid& pod, const ReferentKey& key) const {
  const auto record = pods_.find(pod);
  if (record == pods_.end() || record->second.keys.count(key) == 0) return nullptr;
  if (const auto wait = record->second.awaited.find(key); wait != record->second.awaited.end())
    return wait->second.failed.state == Referent::State::kUnread ? nullptr : &wait->second.failed;
  const auto it = entries_.find(key);
  return it == entries_.end() ? nullptr : &it->second->referent;
}

void ReferentCache::ForEachPresent(
    const std::function<void(const ReferentKey&, const Referent&)>& visit) const {
  for (const auto& [key, entry] : entries_) {
    if (entry->referent.state == Referent::State::kPresent) visit(key, entry->referent);
  }
}

void ReferentCache::Read(const ReferentKey& key) {
  Entry& entry = *entries_.at(key);
  entry.timer.Cancel();
  entry.reading = true;
  entry.again = false;
  const std::uint64_t read = ++last_read_;
  entry.read = read;
  const auto& resource = key.kind == ReferentKey::Kind::kConfigMap ? kube::kConfigMaps : kube::kSecrets;
  entry.reader = NextReader(entry);
  pods_.at(entry.reader)
      .api->Get({resource, key.ns, key.name, ""},
                lifetime_.Guard([this, key, read](absl::StatusOr<kube::Json> object) {
                  OnRead(key, read, std::move(object));
                }));
}

/// The API server may not yet, or no longer, let every node look: after a failure it is another one's turn.
const PodUid& ReferentCache::NextReader(const Entry& entry) {
  const auto next =
      entry.failed ? entry.pods.upper_bound(entry.reader) : entry.pods.lower_bound(entry.reader);
  return next == entry.pods.end() ? *entry.pods.begin() : *next;
}

bool ReferentCache::Learn(const ReferentKey& key, Entry& entry, absl::StatusOr<kube::Json> object) {
  absl::StatusOr<Referent> parsed = object.ok() ? ParseReferent(key.kind, *object) : object.status();
  Referent& referent = entry.referent;
  if (parsed.ok()) {
    entry.backoff.Reset();
    if (referent.state == Referent::State::kPresent &&
        referent.resource_version == parsed->resource_version) {
      return false;
    }
    referent = *std::move(parsed);
    handler_.on_present(key, referent);
    return true;
  }
  if (absl::IsNotFound(parsed.status())) {
    const bool changed = referent.state != Referent::State::kMissing;
    referent = Referent();
    referent.state = Referent::State::kMissing;
    return changed;
  }
  LogDebug("referent not read", {{"kind", KindName(key.kind)},
                                 {"namespace", key.ns},
                                 {"name", key.name},
                                 {"error", Describe(parsed.status())}});
  // What was read before stays good while the API server does not answer.
  if (referent.state == Referent::State::kPresent) return false;
  const bool changed =
      referent.state != Referent::State::kUnreadable || referent.error != Message(parsed.status());
  referent.state = Referent::State::kUnreadable;
  referent.error = Message(parsed.status());
  return changed;
}

void ReferentCache::OnRead(const ReferentKey& key, std::uint64_t read, absl::StatusOr<kube::Json> object) {
  const auto it = entries_.find(key);
  // The entry may have gone and come again while this read was under way.
  if (it == entries_.end() || !it->second->reading || it->second->read != read) return;
  Entry& entry = *it->second;
  entry.reading = false;
  const bool failed = !object.ok();
  entry.failed = failed && !absl::IsNotFound(object.status());
  const std::string error = failed ? Message(object.status()) : "";
  const bool changed = Learn(key, entry, std::move(object));
  // A copy is there, and it is too old for those who wait.
  const bool old = entry.failed && entry.referent.state == Referent::State::kPresent;

  std::vector<PodUid> affected;
  for (const auto& pod : entry.pods) {
    auto& awaited = pods_.at(pod).awaited;
    const auto wait = awaited.find(key);
    const bool awaited_now = wait != awaited.end() && wait->second.read <= read;
    if (awaited_now && old) {
      wait->second.failed.state = Referent::State::kUnreadable;
      wait->second.failed.error = error;
    } else if (awaited_now) {
      awaited.erase(wait);
    }
    if (changed || awaited_now) affected.push_back(pod);
  }

  if (entry.again) {
    Read(key);
  } else {
    const Duration spread = random_.Below(options_.refresh / 5 + Duration(1));
    const Duration delay = failed ? entry.backoff.Next() : options_.refresh - options_.refresh / 10 + spread;
    entry.timer.Set(delay, [this, key] { Read(key); });
  }
  for (const auto& pod : affected) {
    const auto record = pods_.find(pod);
    if (record == pods_.end()) continue;
    const auto on_change = record->second.on_change;
    on_change();
  }
}

}  // namespace slicelet::shim
