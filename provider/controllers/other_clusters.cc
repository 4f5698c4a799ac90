#include "provider/controllers/other_clusters.h"

#include <algorithm>
#include <utility>

#include "common/log/log.h"
#include "kube/object.h"

namespace slicelet::provider {
namespace {

constexpr char kRights[] =
    ": the user of its kubeconfig needs list, watch, create and delete of namespaces, and list, watch, "
    "create, patch and delete of resourcequotas";

}  // namespace

OtherClusters::OtherClusters(ControllerSettings settings, Loop& loop, Random& random,
                             kube::ClusterReader& reader, ClusterWays ways,
                             std::function<void(const std::string& cluster)> changed)
    : settings_(std::move(settings)),
      loop_(loop),
      random_(random),
      reader_(reader),
      ways_(std::move(ways)),
      changed_(std::move(changed)) {}

void OtherClusters::Look(const World& world) {
  std::set<std::string> wanted;
  for (const auto& [name, slice] : world.All(kube::kIotSlices)) {
    for (const std::string& cluster : ClustersElsewhere(world, settings_, slice)) wanted.insert(cluster);
    wanted.merge(RecordedClusters(slice));
  }
  std::set<std::string> open;
  for (const std::string& name : wanted) {
    const Json* object = world.Find(kube::kIotClusters, settings_.ns, name);
    if (object == nullptr) continue;
    const std::string uid = kube::UidOf(*object);
    const auto way = ways_(uid);
    if (!way || way->uid != kube::TextAt(*object, {"status", "uid"})) continue;
    const auto known = clusters_.find(name);
    const bool same =
        known != clusters_.end() && known->second->uid == uid && known->second->way == way->kubeconfig;
    if (!same) {
      auto cluster = Open(name, uid, way->kubeconfig);
      if (!cluster) continue;
      clusters_[name] = std::move(cluster);
    }
    open.insert(name);
  }
  for (auto it = clusters_.begin(); it != clusters_.end();) {
    if (open.count(it->first) != 0) {
      ++it;
      continue;
    }
    LogInfo("a cluster is let go of", {{"cluster", it->first}});
    const std::string name = it->first;
    it = clusters_.erase(it);
    changed_(name);
  }
}

absl::StatusOr<const World*> OtherClusters::Of(const std::string& cluster) const {
  const std::string named = "IotCluster " + cluster;
  const auto it = clusters_.find(cluster);
  if (it != clusters_.end()) {
    const auto& reflectors = it->second->reflectors;
    const bool all = std::all_of(reflectors.begin(), reflectors.end(),
                                 [](const auto& reflector) { return reflector->listed(); });
    if (all) return &it->second->world;
    if (!it->second->troubles.empty()) {
      const absl::Status& trouble = it->second->troubles.begin()->second;
      const std::string why = named + ": " + Message(trouble);
      return absl::IsPermissionDenied(trouble) ? absl::PermissionDeniedError(why + kRights)
                                               : absl::UnavailableError(why);
    }
  }
  return absl::UnavailableError(
      named + " has not been reached yet, or is not the one that was registered: see its status");
}

std::shared_ptr<kube::KubeApi> OtherClusters::ApiOf(const std::string& cluster) {
  const auto it = clusters_.find(cluster);
  return it == clusters_.end() ? nullptr : it->second->api;
}

void OtherClusters::Absorb(const Write& write, const absl::StatusOr<Json>& answer) {
  const auto it = clusters_.find(write.cluster);
  if (it == clusters_.end()) return;
  World& world = it->second->world;
  const kube::Resource& kind = write.ref.resource;
  if (write.verb != Write::Verb::kDelete) {
    // The watch may have told of its end already.
    const auto& reflector = *it->second->reflectors[kind == kube::kNamespaces ? 0 : 1];
    const auto seen = kube::VersionNumber(reflector.resource_version());
    if (kube::VersionNumber(kube::ResourceVersionOf(*answer)) > seen) world.Put(kind, *answer);
  } else if (const Json* known = world.Find(kind, write.ref.ns, write.ref.name)) {
    // Of what is being deleted the watch tells the rest.
    Json last = *known;
    const ObjectName name = NameIn(kind, last);
    world.Remove(kind, name);
    last["metadata"]["deletionTimestamp"] = "now";
    if (answer.ok()) world.Put(kind, std::move(last));
  }
}

std::unique_ptr<OtherClusters::Cluster> OtherClusters::Open(const std::string& name, const std::string& uid,
                                                            const kube::KubeConfigText& way) {
  auto api = reader_.Open(way);
  if (!api.ok()) {
    LogWarning("cannot open a cluster", {{"cluster", name}, {"why", Describe(api.status())}});
    return nullptr;
  }
  auto cluster = std::make_unique<Cluster>();
  cluster->uid = uid;
  cluster->way = way;
  cluster->api = *std::move(api);
  Watch(name, *cluster, kube::kNamespaces);
  Watch(name, *cluster, kube::kResourceQuotas);
  for (const auto& reflector : cluster->reflectors) reflector->Start();
  return cluster;
}

void OtherClusters::Watch(const std::string& name, Cluster& cluster, const kube::Resource& kind) {
  kube::Reflector::Options options;
  options.resource = kind;
  options.label_selector = std::string(kHubLabel) + "=" + settings_.hub_id;
  kube::Reflector::Handler handler;
  World& world = cluster.world;
  handler.on_list = [this, name, &cluster, kind](std::vector<Json> items, const std::string&) {
    cluster.troubles.erase(kind.plural);
    cluster.world.Replace(kind, std::move(items));
    changed_(name);
  };
  handler.on_event = [this, name, &world, kind](kube::WatchEventType type, Json object) {
    const bool differs = type == kube::WatchEventType::kDeleted ? world.Remove(kind, NameIn(kind, object))
                                                                : world.Put(kind, std::move(object));
    if (differs) changed_(name);
  };
  handler.on_trouble = [this, name, &cluster, kind](const absl::Status& status) {
    OnTrouble(name, cluster, kind, status);
  };
  cluster.reflectors.push_back(std::make_unique<kube::Reflector>(loop_, random_, *cluster.api,
                                                                 std::move(options), std::move(handler)));
}

void OtherClusters::OnTrouble(const std::string& name, Cluster& cluster, const kube::Resource& kind,
                              const absl::Status& status) {
  LogWarning("cannot read objects of a cluster",
             {{"cluster", name}, {"kind", kind.plural}, {"why", Describe(status)}});
  const auto [known, is_new] = cluster.troubles.try_emplace(kind.plural, status);
  if (!is_new && known->second == status) return;
  known->second = status;
  changed_(name);
}

std::vector<std::string> ClustersElsewhere(const World& world, const ControllerSettings& settings,
                                           const Json& slice) {
  std::vector<std::string> names;
  for (const char* side : {"edge", "cloud"}) {
    std::string name = kube::TextAt(slice, {"spec", side, "cluster"});
    if (name.empty() || (!names.empty() && names.front() == name)) continue;
    const Json* cluster = world.Find(kube::kIotClusters, settings.ns, name);
    const bool elsewhere =
        cluster != nullptr && kube::Find(*cluster, {"spec", "kubeconfigSecret"}) != nullptr;
    if (elsewhere) names.push_back(std::move(name));
  }
  return names;
}

bool HasEdgeElsewhere(const World& world, const ControllerSettings& settings, const Json& slice) {
  const std::string edge = kube::TextAt(slice, {"spec", "edge", "cluster"});
  if (edge.empty()) return false;
  const std::vector<std::string> elsewhere = ClustersElsewhere(world, settings, slice);
  return (!elsewhere.empty() && elsewhere.front() == edge) || RecordedClusters(slice).count(edge) != 0;
}

std::set<std::string> RecordedClusters(const Json& slice) {
  std::set<std::string> names;
  const Json* recorded = kube::Find(slice, {"status", "clusters"});
  if (recorded == nullptr || !recorded->is_array()) return names;
  for (const Json& name : *recorded) {
    if (name.is_string()) names.insert(name.get<std::string>());
  }
  return names;
}

}  // namespace slicelet::provider
