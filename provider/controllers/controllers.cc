#include "provider/controllers/controllers.h"

#include <utility>

#include "provider/controllers/attachments.h"
#include "provider/controllers/cluster_prober.h"
#include "provider/controllers/clusters.h"
#include "provider/controllers/gateways.h"
#include "provider/controllers/guarded.h"
#include "provider/controllers/other_clusters.h"
#include "provider/controllers/server_users.h"
#include "provider/controllers/servers.h"
#include "provider/controllers/slices.h"

namespace slicelet::provider {

Controllers MakeControllers(const ControllerSettings& settings, Loop& loop, const Clock& clock,
                            Random& random, kube::KubeApi& api, HttpClient& http,
                            kube::ClusterReader& clusters, DeviceReports reports, PlaceReports places,
                            SlicesChanged slices_changed) {
  const std::string ours = std::string(kHubLabel) + "=" + settings.hub_id;
  std::vector<Engine::Watched> watched = {
      {.kind = kube::kEdgeHosts, .ns = settings.ns, .names_only = true},
      {.kind = kube::kIotClusters, .ns = settings.ns},
      {.kind = kube::kIotSlices, .ns = settings.ns},
      {.kind = kube::kIotGateways},
      {.kind = kube::kIotServers},
      {.kind = kube::kIotDevices},
      {.kind = kube::kNodes, .label_selector = ours, .names_only = true},
      {.kind = kube::kNamespaces, .names_only = true},
      {.kind = kube::kResourceQuotas, .label_selector = ours},
      {.kind = kube::kConfigMaps, .label_selector = ours},
      {.kind = kube::kPods, .label_selector = ours},
  };
  // Known once it is made; both end together.
  const auto engine = std::make_shared<Engine*>(nullptr);
  const auto attachments = std::make_shared<Attachments>(
      settings, HostAttachment::Dependencies{loop, random, api, http}, std::move(places),
      [engine](const ObjectName& gateway) { (*engine)->LookAgain(kube::kIotGateways, gateway); },
      [engine](const Json& gateway) { (*engine)->Learn(kube::kIotGateways, gateway); });
  const auto prober = std::make_shared<ClusterProber>(
      loop, random, api, clusters,
      [engine](const ObjectName& cluster) { (*engine)->LookAgain(kube::kIotClusters, cluster); });
  std::vector<std::unique_ptr<Controller>> controllers;
  controllers.push_back(
      MakeClusterController(settings, [prober](const std::string& uid) { return prober->Of(uid); }));
  const auto others = std::make_shared<OtherClusters>(
      settings, loop, random, clusters, [prober](const std::string& uid) { return prober->WayTo(uid); },
      [engine](const std::string& /*cluster*/) {
        for (const auto& [name, slice] : (*engine)->world().All(kube::kIotSlices)) {
          (*engine)->LookAgain(kube::kIotSlices, name);
        }
      });
  controllers.push_back(
      MakeSliceController(settings, [others](const std::string& cluster) { return others->Of(cluster); }));
  controllers.push_back(MakeGatewayController(
      settings, random, [attachments](const Json& gateway) { return attachments->Of(gateway); }));
  const auto users = std::make_shared<ServerUsers>(settings, loop, random, api, http);
  controllers.push_back(
      MakeServerController(settings, random, [users](const Json& server) { return users->Of(server); }));
  controllers.push_back(MakeDeviceController(settings, std::move(reports)));
  auto looked = [settings, attachments, users, prober, others, changed = std::move(slices_changed),
                 told = std::map<std::string, std::string>()](const World& world) mutable {
    Guarded("users of IotServers", {}, [&] { users->Look(world); });
    Guarded("attachments", {}, [&] { attachments->Look(world); });
    Guarded("IotClusters", {}, [&] { prober->Look(world); });
    Guarded("other clusters", {}, [&] { others->Look(world); });
    auto owners = NodesOfSlices(world, settings);
    if (owners == told) return;
    told = std::move(owners);
    changed(told);
  };
  auto made = std::make_unique<Engine>(loop, clock, random, api, std::move(watched), std::move(controllers),
                                       std::move(looked), others.get());
  *engine = made.get();
  auto ways =
      [known = std::weak_ptr<ClusterProber>(prober)](const std::string& uid) -> std::optional<ClusterWay> {
    const auto held = known.lock();
    return held == nullptr ? std::nullopt : held->WayTo(uid);
  };
  return {std::move(made), std::move(ways)};
}

}  // namespace slicelet::provider
