// What the controllers of slicelet.io/v1alpha1 ask of the hub.
#include <algorithm>

#include "provider/hub/hub_impl.h"

namespace slicelet::provider {
namespace {

const v1::DeviceStatus* FindDevice(const std::optional<v1::WorkloadStatus>& status, const std::string& name) {
  if (!status) return nullptr;
  const auto it = std::ranges::find(status->devices(), name, &v1::DeviceStatus::name);
  return it == status->devices().end() ? nullptr : &*it;
}

void Add(const v1::DeviceReadings& one, v1::DeviceReadings& sum) {
  sum.set_count(sum.count() + one.count());
  sum.set_newest(std::max(sum.newest(), one.newest()));
  sum.set_observed_at(std::max(sum.observed_at(), one.observed_at()));
}

}  // namespace

void Hub::SetSlices(const std::map<std::string, std::string>& slices) {
  std::map<NodeName, std::string> next;
  for (const auto& [node, slice] : slices) next.emplace(NodeName(node), slice);
  std::map<NodeName, std::string> former = std::exchange(impl_->slices, std::move(next));
  if (!impl_->declared) return;
  for (const auto& [name, node] : impl_->nodes) {
    const auto was = former.find(name);
    const auto is = impl_->slices.find(name);
    const bool differs = (was == former.end()) != (is == impl_->slices.end()) ||
                         (was != former.end() && was->second != is->second);
    if (differs) impl_->DeclareNode(*node);
  }
}

std::optional<v1::DeviceStatus> Hub::DeviceOf(const PodUid& uid, const std::string& device) const {
  const Pod* pod = impl_->book.Find(uid);
  if (pod == nullptr) return std::nullopt;
  if (pod->instances.empty()) {
    const v1::DeviceStatus* found = FindDevice(pod->status, device);
    return found == nullptr ? std::nullopt : std::make_optional(*found);
  }
  std::optional<v1::DeviceStatus> all;
  bool silent = false;
  v1::DeviceReadings sum;
  for (const auto& [host, instance] : pod->instances) {
    if (!instance.targeted || !instance.superseded.empty()) continue;
    const v1::DeviceStatus* found = FindDevice(instance.status, device);
    silent = silent || found == nullptr;
    if (found == nullptr) continue;
    Add(found->readings(), sum);
    if (!all || (all->applied() && !found->applied())) all = *found;
  }
  if (!all || (silent && all->applied())) return std::nullopt;
  all->clear_readings();
  if (sum.observed_at() > 0) *all->mutable_readings() = sum;
  return all;
}

}  // namespace slicelet::provider
