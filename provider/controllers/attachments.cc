#include "provider/controllers/attachments.h"

#include <algorithm>
#include <set>

#include "kube/object.h"
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

Attachments::Attachments(ControllerSettings settings, HostAttachment::Dependencies dependencies,
                         Changed changed, KubeAttachStore::Written written)
    : settings_(std::move(settings)),
      to_(dependencies),
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

std::vector<AttachView> RecordedAttachments(const Json& gateway) {
  std::vector<AttachView> views;
  for (const auto& [place, record] : RecordsOf(gateway)) views.push_back({place.first, place.second, record});
  return views;
}

std::vector<AttachView> Attachments::Of(const std::string& gateway) const {
  std::vector<AttachView> views;
  for (const Key& key : KeysOf(gateway)) {
    views.push_back({key.host, key.server, attachments_.at(key)->record()});
  }
  return views;
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
  for (const Json& gateway : gateways) LookAt(world, gateway);
  std::erase_if(attachments_, [&](const auto& one) { return there.count(one.first.gateway) == 0; });
}

void Attachments::LookAt(const World& world, const Json& gateway) {
  const std::string uid = kube::UidOf(gateway);
  const auto records = RecordsOf(gateway);
  const auto target = AttachTargetOf(gateway);
  const ExporterState exporter = ExporterStateOf(gateway, PodsOf(world, gateway, kGatewayLabel));
  const bool given_up = GivenUp(gateway);
  std::set<Key> keys;
  for (const Key& key : KeysOf(uid)) keys.insert(key);
  for (const auto& [place, record] : records) keys.insert({uid, place.first, place.second});

  const auto stored_of = [&](const Key& key) {
    const auto it = records.find({key.host, key.server});
    return it == records.end() ? AttachRecord{} : it->second;
  };
  std::optional<Key> wanted;
  if (target) {
    wanted = {uid, target->host, target->server};
    const Json* server = world.Find(kube::kIotServers, kube::NamespaceOf(gateway), target->server);
    const bool others_left = std::ranges::all_of(keys, [&](const Key& key) {
      return key == *wanted || stored_of(key).state == AttachState::kOrphaned;
    });
    const bool can_begin = others_left && IsHeld(gateway) && server != nullptr && TakesGateways(*server);
    if (can_begin) keys.insert(*wanted);
  }
  for (const Key& key : keys) {
    const Json* server = world.Find(kube::kIotServers, kube::NamespaceOf(gateway), key.server);
    const AttachRecord stored = stored_of(key);
    HostAttachment::Asked asked{.server = server == nullptr ? Json() : ServerFactsOf(*server),
                                .stored = stored,
                                .give_up = given_up,
                                .secret_in_use = wanted && key != *wanted,
                                .exporter = exporter.publishes};
    const bool may_leave = exporter.stopped || IsLeaving(stored.state) || given_up;
    if (wanted && key == *wanted) {
      asked.wish = Wish::kAttach;
    } else if (may_leave) {
      asked.wish = Wish::kDetach;
    }
    HostAttachment& attachment = Begin(key, gateway);
    attachment.Ask(std::move(asked));
    if (!attachment.over()) continue;
    attachments_.erase(key);
    changed_({kube::NamespaceOf(gateway), kube::NameOf(gateway)});
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
