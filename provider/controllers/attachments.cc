#include "provider/controllers/attachments.h"

#include <algorithm>
#include <set>
#include <utility>

#include "kube/object.h"
#include "provider/controllers/guarded.h"
#include "provider/controllers/pods.h"
#include "provider/controllers/server_users.h"
#include "provider/controllers/slices.h"

namespace slicelet::provider {
namespace {

using Wish = HostAttachment::Wish;

/// The records of a gateway, by host and server.
std::map<std::pair<std::string, std::string>, AttachRecord> RecordsOf(const Json& gateway) {
  std::map<std::pair<std::string, std::string>, AttachRecord> records;
  const Json* stored = kube::Find(gateway, {"status", "attachments"});
  if (stored == nullptr || !stored->is_object()) return records;
  for (const Json& one : *stored) {
    records[{kube::TextAt(one, {"host"}), kube::TextAt(one, {"server"})}] = RecordOf(one);
  }
  return records;
}

bool IsLeaving(AttachState state) {
  return state == AttachState::kDetaching || state == AttachState::kOrphaned;
}

/// Its user, if it is one that is made, can log in.
bool HasUser(const Json& server) {
  const Json* steps = kube::Find(server, {"status", "steps"});
  return steps == nullptr || std::none_of(steps->begin(), steps->end(), [](const Json& step) {
           return kube::TextAt(step, {"name"}) == kUserStep && kube::TextAt(step, {"state"}) != "Done";
         });
}

bool IsHeld(const Json& gateway) {
  const Json* finalizers = kube::Find(gateway, {"metadata", "finalizers"});
  return finalizers != nullptr &&
         std::find(finalizers->begin(), finalizers->end(), Json(kFinalizer)) != finalizers->end();
}

}  // namespace

bool TakesGateways(const Json& server) {
  return !kube::BeingDeleted(server) && !ServerFactsOf(server).is_null() && HasUser(server);
}

/// What a gateway asks for, and where it can be.
struct Attachments::Wanted {
  /// nullopt: none.
  std::optional<std::string> server;
  std::optional<std::set<std::string>> hosts;
  bool fleet = false;
  std::map<std::pair<std::string, std::string>, AttachRecord> records;

  [[nodiscard]] bool On(const std::string& host) const { return server && hosts && hosts->count(host) != 0; }
  [[nodiscard]] bool Is(const Key& key) const { return On(key.host) && key.server == *server; }
  /// Its hosts are not known, and it may be one of them.
  [[nodiscard]] bool MayBe(const Key& key) const { return server && !hosts && key.server == *server; }
  [[nodiscard]] AttachRecord Stored(const Key& key) const {
    const auto it = records.find({key.host, key.server});
    return it == records.end() ? AttachRecord{} : it->second;
  }
  /// It is another one's turn only when this one has left.
  [[nodiscard]] bool StandsInTheWay(const Key& key) const {
    if (Stored(key).state == AttachState::kOrphaned) return false;
    return fleet ? key.server != server : !Is(key);
  }
};

Attachments::Attachments(ControllerSettings settings, HostAttachment::Dependencies dependencies,
                         PlaceReports places, Changed changed, KubeAttachStore::Written written)
    : settings_(std::move(settings)),
      to_(dependencies),
      places_(std::move(places)),
      changed_(std::move(changed)),
      written_(std::move(written)) {}

std::vector<Attachments::Key> Attachments::KeysOf(const std::string& gateway) const {
  std::vector<Key> keys;
  for (auto it = attachments_.lower_bound({gateway, "", ""});
       it != attachments_.end() && it->first.gateway == gateway; ++it) {
    keys.push_back(it->first);
  }
  return keys;
}

GatewayAttachments Attachments::Of(const Json& gateway) const {
  const std::string uid = kube::UidOf(gateway);
  auto records = RecordsOf(gateway);
  for (const Key& key : KeysOf(uid)) records[{key.host, key.server}] = attachments_.at(key)->record();
  GatewayAttachments all;
  for (const auto& [place, record] : records) all.views.push_back({place.first, place.second, record});
  if (const auto looked = hosts_.find(uid); looked != hosts_.end()) all.hosts = looked->second;
  return all;
}

void Attachments::Look(const World& world) {
  std::set<std::string> there;
  std::vector<Json> gateways;
  for (const auto& [name, gateway] : world.All(kube::kIotGateways)) {
    there.insert(kube::UidOf(gateway));
    const bool asks = !kube::TextAt(gateway, {"spec", "attachTo"}).empty();
    const bool concerns = asks || !RecordsOf(gateway).empty() || !KeysOf(kube::UidOf(gateway)).empty();
    if (concerns && !OfAnotherHub(world, settings_, name.ns)) gateways.push_back(gateway);
  }
  for (const Json& gateway : gateways) {
    const ObjectName name{kube::NamespaceOf(gateway), kube::NameOf(gateway)};
    Guarded("the attachments of an IotGateway", name, [&] { LookAt(world, gateway); });
  }
  std::erase_if(attachments_, [&](const auto& one) { return there.count(one.first.gateway) == 0; });
  std::erase_if(hosts_, [&](const auto& one) { return there.count(one.first) == 0; });
}

std::map<std::string, int> Attachments::BusyAt(const std::string& gateway) const {
  std::map<std::string, int> busy;
  for (const Key& key : KeysOf(gateway)) busy[key.server] += attachments_.at(key)->busy() ? 1 : 0;
  return busy;
}

std::set<Attachments::Key> Attachments::KeysToLookAt(const World& world, const Json& gateway,
                                                     const Wanted& wanted) const {
  const std::string uid = kube::UidOf(gateway);
  std::set<Key> keys;
  for (const Key& key : KeysOf(uid)) keys.insert(key);
  for (const auto& [place, record] : wanted.records) keys.insert({uid, place.first, place.second});
  if (!wanted.server || !wanted.hosts || !IsHeld(gateway)) return keys;
  // Nothing new for a slice that is being deleted.
  if (SliceProblem(world, settings_, kube::TextAt(gateway, {"spec", "slice"}), kube::NamespaceOf(gateway)))
    return keys;
  const Json* server = world.Find(kube::kIotServers, kube::NamespaceOf(gateway), *wanted.server);
  if (server == nullptr || !TakesGateways(*server)) return keys;
  if (std::ranges::any_of(keys, [&](const Key& key) { return wanted.StandsInTheWay(key); })) return keys;
  for (const std::string& host : *wanted.hosts) {
    if (keys.size() < kMaxHosts) keys.insert({uid, host, *wanted.server});
  }
  return keys;
}

void Attachments::LookAt(const World& world, const Json& gateway) {
  const std::string uid = kube::UidOf(gateway);
  const ObjectName name{kube::NamespaceOf(gateway), kube::NameOf(gateway)};
  const GatewayPlaces places(gateway, PodsOf(world, gateway, kGatewayLabel), places_);
  const Wanted wanted{.server = AttachServerOf(gateway),
                      .hosts = places.hosts(),
                      .fleet = IsOfFleet(gateway),
                      .records = RecordsOf(gateway)};
  const bool given_up = GivenUp(gateway);
  const auto known = hosts_.find(uid);
  if (known == hosts_.end() || known->second != wanted.hosts) {
    hosts_[uid] = wanted.hosts;
    changed_(name);
  }
  if (places.unknown() && !given_up) return;
  std::map<std::string, int> busy = BusyAt(uid);
  std::map<std::string, Json> facts;
  const std::set<Key> keys = KeysToLookAt(world, gateway, wanted);
  for (const Key& key : keys) {
    const auto begun = attachments_.find(key);
    const int was_busy = begun != attachments_.end() && begun->second->busy() ? 1 : 0;
    const bool has_room = busy[key.server] - was_busy < kMaxBusy;
    if (begun == attachments_.end() && !has_room) continue;
    if (facts.count(key.server) == 0) {
      const Json* server = world.Find(kube::kIotServers, name.ns, key.server);
      facts[key.server] = server == nullptr ? Json() : ServerFactsOf(*server);
    }
    const AttachRecord stored = wanted.Stored(key);
    const ExporterState exporter = places.At(key.host);
    // Of one host's gateway the whole Secret is another one's.
    const bool in_use = std::ranges::any_of(keys, [&](const Key& other) {
      return other != key && (wanted.Is(other) || wanted.MayBe(other)) &&
             (!wanted.fleet || other.host == key.host);
    });
    HostAttachment::Asked asked{.server = facts[key.server],
                                .stored = stored,
                                .give_up = given_up,
                                .secret = {.per_host = wanted.fleet, .in_use = in_use},
                                .exporter = exporter.publishes};
    const bool leaves = IsLeaving(stored.state);
    const bool may_leave = (exporter.stopped || given_up) && has_room;
    if (wanted.Is(key)) {
      asked.wish = Wish::kAttach;
    } else if (!wanted.MayBe(key) && (leaves || may_leave)) {
      asked.wish = Wish::kDetach;
    }
    HostAttachment& attachment = Begin(key, gateway);
    attachment.Ask(std::move(asked));
    busy[key.server] += (attachment.busy() ? 1 : 0) - was_busy;
    if (!attachment.over()) continue;
    attachments_.erase(key);
    changed_(name);
  }
}

HostAttachment& Attachments::Begin(const Key& key, const Json& gateway) {
  auto& made = attachments_[key];
  if (made) return *made;
  Json place = {{"metadata",
                 {{"name", kube::NameOf(gateway)},
                  {"namespace", kube::NamespaceOf(gateway)},
                  {"uid", kube::UidOf(gateway)}}}};
  const Json labels = {{kHubLabel, settings_.hub_id},
                       {kSliceLabel, kube::TextAt(gateway, {"spec", "slice"})},
                       {kGatewayLabel, kube::NameOf(gateway)}};
  made = std::make_unique<HostAttachment>(
      to_, KubeAttachStore::Place{std::move(place), key.host, key.server, labels}, written_,
      [changed = changed_, name = ObjectName{kube::NamespaceOf(gateway), kube::NameOf(gateway)}] {
        changed(name);
      });
  return *made;
}

}  // namespace slicelet::provider
