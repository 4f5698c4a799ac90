#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "common/base/status.h"
#include "kube/cluster_reader.h"

namespace slicelet::kube {

/// From the list of all StorageClasses: is there one for claims that name none?
ClusterFeature DefaultStorageClassIn(const Json& list);

/// What `NetworkPluginOn` begins with.
ClusterFeature NetworkWithoutNodes();
/// From a list of some nodes, after what others have shown (`so_far`): do pods get a network? One node where
/// they do is enough, since its kubelet is Ready only then. False: a node says that its network is missing.
/// Which node is named depends on their order alone.
ClusterFeature NetworkPluginOn(const Json& nodes, ClusterFeature so_far);

/// Of what can not be read. `right`: what the user would have to be allowed, as "list widgets".
ClusterFeature Unreadable(const absl::Status& status, const std::string& right);

}  // namespace slicelet::kube
