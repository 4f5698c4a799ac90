#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "provider/controllers/exporter.h"
#include "provider/controllers/world.h"

namespace slicelet::provider {

/// A pod on one of its hosts, as the hub knows it. What the API says of a fleet node's pod is of all its
/// hosts together.
struct PodPlace {
  std::string pod_uid, pod_name, host;
  /// It is to run there; otherwise it is being taken from there.
  bool targeted = false;
  /// Who has its place for now; empty: nobody.
  std::string superseded{};
  /// The exporter's, as the host says; "" before it has spoken.
  std::string image{};
  bool ready = false;
};
struct PlaceReport {
  /// Pods of which it is known which hosts they are for, by uid.
  std::set<std::string> decided;
  std::vector<PodPlace> places;
  /// Hosts that have yet to say what they hold.
  std::set<std::string> unheard;
};
/// Of the pods of a namespace whose names begin with `prefix`; nullopt while the hub has not been told what
/// there is.
using PlaceReports =
    std::function<std::optional<PlaceReport>(const std::string& ns, const std::string& prefix)>;

/// One gateway's hosts: which it is to be attached on, and what its exporter does on each. Of a gateway with
/// spec.target.host its pods tell that, of others the hub. For one look; what it is made of must outlive it.
class GatewayPlaces {
 public:
  GatewayPlaces(const Json& gateway, std::vector<const Json*> pods, const PlaceReports& reports);

  /// Nothing can be said of the exporters now.
  [[nodiscard]] bool unknown() const { return !whole_ && !report_; }
  /// Where it is to run, whether or not it is to be attached; nullopt while that is not decided, because
  /// there is no pod or the hub has yet to look at it: then those that are there stay.
  [[nodiscard]] const std::optional<std::set<std::string>>& hosts() const { return hosts_; }
  [[nodiscard]] ExporterState At(const std::string& host) const;

 private:
  [[nodiscard]] const Json* PodOf(const std::string& uid) const;

  const Json& gateway_;
  const std::vector<const Json*> pods_;
  /// Of a gateway of one host.
  std::optional<ExporterState> whole_;
  std::optional<PlaceReport> report_;
  std::optional<std::set<std::string>> hosts_;
};

}  // namespace slicelet::provider
