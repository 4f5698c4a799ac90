// On which hosts a gateway's pods are: what attachments ask of the hub.
#include <algorithm>

#include "provider/hub/hub_impl.h"

namespace slicelet::provider {
namespace {

void SetContainer(const std::optional<v1::WorkloadStatus>& status, const std::string& container,
                  Hub::PodPlaces::Place& place) {
  if (!status) return;
  const auto found = std::ranges::find(status->containers(), container, &v1::ContainerStatus::name);
  if (found == status->containers().end()) return;
  place.image = found->image();
  place.ready = found->ready();
}

}  // namespace

bool Hub::Impl::IsBarred(const HostId& host) const {
  const EdgeHost* object = registry.Find(host);
  return object == nullptr || object->revoked;
}

bool Hub::Impl::IsDecided(const Pod& pod) const {
  if (!pod.workload || pod.stop || pod.gone) return false;
  const auto found = nodes.find(pod.node);
  if (found == nodes.end() || !found->second->judge->synced()) return false;
  const NodeState& node = *found->second;
  if (!node.fleet()) return true;
  if (!pod.terms || !node.selection || node.targeting == nullptr || node.changed_pods.count(pod.uid) != 0)
    return false;
  // One that is yet to be placed has no hosts either.
  const bool chooses = pod.terms->placement != FleetTerms::Placement::kAll;
  return !chooses || std::ranges::any_of(pod.instances, [](const auto& one) { return one.second.targeted; });
}

void Hub::Impl::PlacesChanged() {
  if (!places_changed || tell_places.armed()) return;
  tell_places.Set(kTellPlaces, [this] { places_changed(); });
}

void Hub::WatchPlaces(std::function<void()> changed) { impl_->places_changed = std::move(changed); }

std::optional<Hub::Places> Hub::PlacesOf(const std::string& ns, const std::string& prefix,
                                         const std::string& container) const {
  // Without the EdgeHosts every host looks as if it had been removed.
  if (!impl_->registry.listed()) return std::nullopt;
  Places places;
  for (const auto& [id, host] : impl_->hosts) {
    if (!host->known() && !impl_->IsBarred(id)) places.unheard.insert(id);
  }
  for (const auto& [uid, pod] : impl_->book.pods()) {
    if (pod.ns != ns || !pod.name.starts_with(prefix)) continue;
    PodPlaces& out = places.pods.emplace_back();
    out.uid = uid;
    out.name = pod.name;
    out.decided = impl_->IsDecided(pod);
    for (const auto& [id, instance] : pod.instances) {
      const bool targeted = instance.targeted && !pod.stop;
      // What is gone and wanted again is about to begin anew.
      if ((instance.gone && !targeted) || impl_->IsBarred(id)) continue;
      PodPlaces::Place& place = out.hosts[id];
      place.targeted = targeted;
      place.superseded = instance.superseded;
      if (!instance.gone) SetContainer(instance.status, container, place);
    }
    const auto node = impl_->nodes.find(pod.node);
    if (node == impl_->nodes.end() || node->second->fleet() || pod.gone) continue;
    const HostId& own = node->second->host;
    if (impl_->IsBarred(own)) continue;
    PodPlaces::Place& place = out.hosts[own];
    place.targeted = !pod.stop && !pod.refusal;
    SetContainer(pod.status, container, place);
  }
  return places;
}

}  // namespace slicelet::provider
