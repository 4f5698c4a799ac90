#include "provider/controllers/cluster_nodes.h"

#include <utility>

#include "kube/object.h"
#include "provider/controllers/pods.h"

namespace slicelet::provider {
namespace {

/// What its own status says of it.
std::string WhyNoWay(const Json& cluster) {
  const Json* ready = kube::ConditionOf(cluster, "Ready");
  if (ready == nullptr || kube::TextAt(*ready, {"status"}) == "True") return "it was not reached yet";
  return kube::TextAt(*ready, {"reason"}) + ": " + kube::TextAt(*ready, {"message"});
}

}  // namespace

void ListNodesElsewhere(Loop& loop, kube::ClusterReader& reader, const ClusterWays& ways, const Json& cluster,
                        Callback<std::vector<Json>> done) {
  const auto way = ways(kube::UidOf(cluster));
  // What is there now may be another cluster, registered or not.
  if (!way || way->uid != kube::TextAt(cluster, {"status", "uid"})) {
    return done(absl::UnavailableError(WhyNoWay(cluster)));
  }
  auto opened = reader.Open(way->kubeconfig);
  if (!opened.ok()) return done(absl::UnavailableError(Message(opened.status())));
  const std::shared_ptr<kube::KubeApi> api = *std::move(opened);
  // It lives until it has answered, and does not end within its own call.
  api->List(kube::kNodes, "", {},
            [&loop, api, done = std::move(done)](const absl::StatusOr<kube::ObjectList>& list) {
              loop.Post([api, done, list] {
                if (!list.ok()) return done(absl::UnavailableError(Message(list.status())));
                done(list->items);
              });
            });
}

}  // namespace slicelet::provider
