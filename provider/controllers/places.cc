#include "provider/controllers/places.h"

#include <algorithm>
#include <utility>

#include "common/json/json.h"
#include "kube/object.h"
#include "provider/controllers/pods.h"

namespace slicelet::provider {

GatewayPlaces::GatewayPlaces(const Json& gateway, std::vector<const Json*> pods, const PlaceReports& reports)
    : gateway_(gateway), pods_(std::move(pods)) {
  if (!IsOfFleet(gateway)) {
    hosts_ = {kube::TextAt(gateway, {"spec", "target", "host"})};
    whole_ = ExporterStateOf(gateway, pods_);
    return;
  }
  report_ = reports(kube::NamespaceOf(gateway), kube::NameOf(gateway) + "-");
  if (!report_) return;
  std::erase_if(report_->places,
                [&](const PodPlace& place) { return !IsPodNameOf(gateway, place.pod_name); });
  std::set<std::string> targeted;
  bool any = false;
  for (const Json* pod : pods_) {
    if (kube::BeingDeleted(*pod)) continue;
    const std::string uid = kube::UidOf(*pod);
    if (report_->decided.count(uid) == 0) return;
    any = true;
    for (const PodPlace& place : report_->places) {
      if (place.pod_uid == uid && place.targeted) targeted.insert(place.host);
    }
  }
  if (any) hosts_ = std::move(targeted);
}

const Json* GatewayPlaces::PodOf(const std::string& uid) const {
  const auto it = std::ranges::find_if(pods_, [&](const Json* pod) { return kube::UidOf(*pod) == uid; });
  return it == pods_.end() ? nullptr : *it;
}

ExporterState GatewayPlaces::At(const std::string& host) const {
  if (whole_) return *whole_;
  ExporterState state;
  state.publishes = absl::UnavailableError(std::string(kNotStarted) + " on " + host);
  state.stopped = report_ && report_->unheard.count(host) == 0;
  if (!report_) return state;
  for (const PodPlace& place : report_->places) {
    if (place.host != host) continue;
    // A pod that is gone from the API may still run on a host that is away.
    const Json* pod = PodOf(place.pod_uid);
    if (pod != nullptr && !IsToldByAttachment(*pod)) continue;
    const std::string idle = ExporterImage(gateway_, false);
    if (pod == nullptr || ExporterImageIn(*pod) != idle || place.image != idle) state.stopped = false;
    if (pod == nullptr || !place.targeted) continue;
    if (!place.superseded.empty()) {
      state.publishes =
          absl::UnavailableError("the gateway does not run on " + host + ": " + place.superseded);
    } else if (place.ready && place.image != idle) {
      state.publishes = absl::OkStatus();
    } else if (!place.image.empty() && place.image != idle) {
      state.publishes = ExporterCanNotPublish(host, *pod);
    }
  }
  if (GetBool(gateway_, "/spec/suspended")) state.publishes = absl::OkStatus();
  return state;
}

}  // namespace slicelet::provider
