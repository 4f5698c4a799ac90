#include "provider/fleet/host_registry.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "common/log/log.h"
#include "kube/object.h"
#include "kube/reflector.h"

namespace slicelet::provider {
namespace {

using kube::Json;

bool FlagAt(const Json& object, const char* name) {
  const Json* value = kube::Find(object, {"spec", name});
  return value != nullptr && value->is_boolean() && value->get<bool>();
}

EdgeHost Read(const Json& object) {
  EdgeHost host;
  host.approved = FlagAt(object, "approved");
  host.revoked = FlagAt(object, "revoked");
  host.maintenance = FlagAt(object, "maintenance");
  const Json* tags = kube::Find(object, {"spec", "tags"});
  if (tags == nullptr || !tags->is_object()) return host;
  for (const auto& [key, value] : tags->items()) {
    if (host.tags.size() == HostRegistry::kMaxTags) break;
    if (!value.is_string() || value.get_ref<const std::string&>().size() > HostRegistry::kMaxTagBytes) {
      LogWarning("host tag ignored: not a text of at most 256 bytes",
                 {{"host", kube::NameOf(object)}, {"tag", key}});
      continue;
    }
    host.tags.emplace(key, value.get<std::string>());
  }
  return host;
}

}  // namespace

HostRegistry::HostRegistry(Loop& loop, const Clock& clock, Random& random, kube::KubeApi& api,
                           const std::string& ns, std::function<void(const std::set<HostId>&)> changed)
    : changed_(std::move(changed)), statuses_(loop, clock, random, api, ns) {
  kube::Reflector::Options options;
  options.resource = kube::kEdgeHosts;
  options.ns = ns;
  kube::Reflector::Handler handler;
  handler.on_list = [this](const std::vector<Json>& items, const std::string&) { OnList(items); };
  handler.on_event = [this](kube::WatchEventType type, const Json& object) { OnEvent(type, object); };
  handler.on_trouble = [](const absl::Status& status) {
    LogWarning("cannot read EdgeHost objects", {{"why", Describe(status)}});
  };
  reflector_ = std::make_unique<kube::Reflector>(loop, random, api, std::move(options), std::move(handler));
}

HostRegistry::~HostRegistry() = default;

void HostRegistry::Start() { reflector_->Start(); }

const EdgeHost* HostRegistry::Find(const HostId& host) const {
  const auto it = hosts_.find(host);
  return it == hosts_.end() ? nullptr : &it->second;
}

absl::Status HostRegistry::MayConnect(const HostId& host) const {
  if (!listed_) return absl::UnavailableError("the EdgeHost objects have not been read yet");
  const EdgeHost* found = Find(host);
  if (found == nullptr) return absl::NotFoundError("there is no EdgeHost " + host.value());
  if (found->revoked) return absl::PermissionDeniedError("EdgeHost " + host.value() + " is revoked");
  if (!found->approved) {
    return absl::PermissionDeniedError("EdgeHost " + host.value() +
                                       " is not approved: set spec.approved to true");
  }
  return absl::OkStatus();
}

void HostRegistry::SetStatus(const HostId& host, const HostStatus& status) {
  if (Find(host) != nullptr) statuses_.Set(host, status);
}

void HostRegistry::OnList(const std::vector<Json>& items) {
  std::map<HostId, EdgeHost> next;
  for (const Json& object : items) next.emplace(HostId(kube::NameOf(object)), Read(object));
  std::set<HostId> changed;
  for (const auto& [host, entry] : next) {
    const EdgeHost* former = Find(host);
    if (former == nullptr || !(*former == entry)) changed.insert(host);
  }
  for (const auto& [host, entry] : hosts_) {
    if (next.count(host) != 0) continue;
    changed.insert(host);
    statuses_.Forget(host);
  }
  const bool first = !std::exchange(listed_, true);
  hosts_ = std::move(next);
  for (const Json& object : items) {
    const HostId host(kube::NameOf(object));
    statuses_.Learn(host, hosts_.at(host), object);
  }
  if (first || !changed.empty()) changed_(changed);
}

void HostRegistry::OnEvent(kube::WatchEventType type, const Json& object) {
  const HostId host(kube::NameOf(object));
  if (type == kube::WatchEventType::kDeleted) {
    statuses_.Forget(host);
    if (hosts_.erase(host) != 0) changed_({host});
    return;
  }
  EdgeHost entry = Read(object);
  const EdgeHost* former = Find(host);
  const bool differs = former == nullptr || !(*former == entry);
  hosts_[host] = std::move(entry);
  statuses_.Learn(host, hosts_[host], object);
  if (differs) changed_({host});
}

}  // namespace slicelet::provider
