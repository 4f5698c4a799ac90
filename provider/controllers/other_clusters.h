#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/base/random.h"
#include "common/loop/loop.h"
#include "kube/cluster_reader.h"
#include "kube/reflector.h"
#include "provider/controllers/cluster_prober.h"
#include "provider/controllers/engine.h"
#include "provider/controllers/settings.h"

namespace slicelet::provider {

/// How an IotCluster's API server was reached last, and may be written to; nullopt while its registration is
/// wrong, or nobody has answered yet. By the IotCluster's uid.
using ClusterWays = std::function<std::optional<ClusterWay>(const std::string& uid)>;

/// What there is of slices in another cluster than the hub's, never null. An error says why that is not
/// known: PermissionDenied, when the kubeconfig's user may not read it; Unavailable, when the cluster was not
/// reached yet.
using ClusterWorlds = std::function<absl::StatusOr<const World*>(const std::string& cluster)>;

/// The registered clusters that slices have parts in: a client for each, and what its API server holds for
/// this hub (namespaces and quotas with the hub's label).
///
/// A cluster whose kubeconfig changed is opened anew. One that does not answer keeps its client, which tries
/// again; what is known of it may be old then, and a write fails. Everything on the loop.
class OtherClusters final : public Elsewhere {
 public:
  /// `changed`: what is known of this IotCluster differs; may be called at any time. All must outlive it.
  OtherClusters(ControllerSettings settings, Loop& loop, Random& random, kube::ClusterReader& reader,
                ClusterWays ways, std::function<void(const std::string& cluster)> changed);

  /// Opens the clusters that slices have parts in, and lets go of the others.
  void Look(const World& world);
  /// As `ClusterWorlds`.
  [[nodiscard]] absl::StatusOr<const World*> Of(const std::string& cluster) const;

  std::shared_ptr<kube::KubeApi> ApiOf(const std::string& cluster) override;
  void Absorb(const Write& write, const absl::StatusOr<Json>& answer) override;

 private:
  struct Cluster {
    std::string uid;
    kube::KubeConfigText way;
    std::shared_ptr<kube::KubeApi> api;
    World world;
    /// By kind, why it could not be read last.
    std::map<std::string, absl::Status> troubles;
    std::vector<std::unique_ptr<kube::Reflector>> reflectors;
  };
  std::unique_ptr<Cluster> Open(const std::string& name, const std::string& uid,
                                const kube::KubeConfigText& way);
  void Watch(const std::string& name, Cluster& cluster, const kube::Resource& kind);
  void OnTrouble(const std::string& name, Cluster& cluster, const kube::Resource& kind,
                 const absl::Status& status);

  const ControllerSettings settings_;
  Loop& loop_;
  Random& random_;
  kube::ClusterReader& reader_;
  const ClusterWays ways_;
  const std::function<void(const std::string&)> changed_;
  std::map<std::string, std::unique_ptr<Cluster>> clusters_;
};

/// The IotClusters other than the hub's own that a slice names, without repetition: of the edge, then of the
/// cloud.
std::vector<std::string> ClustersElsewhere(const World& world, const ControllerSettings& settings,
                                           const Json& slice);
/// Its edge is in one of them: it has none of this hub's nodes.
bool HasEdgeElsewhere(const World& world, const ControllerSettings& settings, const Json& slice);
/// Those that its status has on record: it may have parts there.
std::set<std::string> RecordedClusters(const Json& slice);

}  // namespace slicelet::provider
