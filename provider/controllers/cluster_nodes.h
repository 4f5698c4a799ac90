#pragma once

#include <vector>

#include "common/loop/loop.h"
#include "kube/cluster_reader.h"
#include "provider/controllers/other_clusters.h"

namespace slicelet::provider {

/// Lists the nodes of an IotCluster other than the hub's own, by the way it was reached last. Unavailable: it
/// was not reached yet, its registration is wrong, it is another cluster now, or it does not answer; the
/// message says which. `reader` must live until then.
void ListNodesElsewhere(Loop& loop, kube::ClusterReader& reader, const ClusterWays& ways, const Json& cluster,
                        Callback<std::vector<Json>> done);

}  // namespace slicelet::provider
