#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "kube/object.h"
#include "provider/controllers/exporter.h"
#include "provider/controllers/places.h"

namespace slicelet::provider {

/// The hosts behind node "fleet", and what the hub knows of the gateways that they run.
class FakeFleet {
 public:
  static constexpr char kNode[] = "fleet";

  /// Which hosts every pod is for.
  std::set<std::string> targeted;
  std::set<std::string> away;
  /// The hub has been told what there is.
  bool known = true;

  /// It has nothing to do.
  [[nodiscard]] bool idle() const { return targeted.empty() && held_.empty(); }
  /// The hosts in reach do as they are told. True when that changed anything. `publishes`: whether the
  /// exporter can, on that host.
  bool Act(const std::vector<Json>& pods, const std::function<bool(const std::string& host)>& publishes) {
    const auto before = held_;
    std::map<std::string, const Json*> wanted;
    for (const Json& pod : pods) {
      if (kube::TextAt(pod, {"spec", "nodeName"}) == kNode && !kube::BeingDeleted(pod))
        wanted[kube::UidOf(pod)] = &pod;
    }
    for (const auto& [uid, pod] : wanted) {
      for (const std::string& host : targeted) {
        PodPlace& place = held_[{uid, host}];
        place.pod_uid = uid;
        place.pod_name = kube::NameOf(*pod);
        place.host = host;
        place.targeted = true;
        if (away.count(host) != 0) continue;
        place.image = ExporterImageIn(*pod);
        place.ready = publishes(host);
      }
    }
    for (auto& [key, place] : held_) {
      place.targeted = wanted.count(place.pod_uid) != 0 && targeted.count(place.host) != 0;
    }
    std::erase_if(held_,
                  [&](const auto& one) { return !one.second.targeted && away.count(one.second.host) == 0; });
    decided_.clear();
    for (const auto& [uid, pod] : wanted) decided_.insert(uid);
    return !std::ranges::equal(held_, before, [](const auto& one, const auto& other) {
      return one.first == other.first && one.second.targeted == other.second.targeted &&
             one.second.image == other.second.image && one.second.ready == other.second.ready;
    });
  }

  [[nodiscard]] std::optional<PlaceReport> Report(const std::string& prefix) const {
    if (!known) return std::nullopt;
    PlaceReport report{.decided = decided_, .places = {}, .unheard = {}};
    for (const auto& [key, place] : held_) {
      if (place.pod_name.starts_with(prefix)) report.places.push_back(place);
    }
    return report;
  }

  /// "gw-1 gw-2": who runs an exporter with this image.
  [[nodiscard]] std::string Running(const std::string& image) const {
    std::string hosts;
    for (const auto& [key, place] : held_) {
      if (place.image == image) hosts += (hosts.empty() ? "" : " ") + place.host;
    }
    return hosts;
  }

 private:
  std::map<std::pair<std::string, std::string>, PodPlace> held_;
  std::set<std::string> decided_;
};

}  // namespace slicelet::provider
