#pragma once

#include <vector>

#include "provider/rest/rest_hub.h"
#include "provider/rest/routes.h"

namespace slicelet::provider {

/// The pods on the hub's nodes, what owns them, and what the hosts say of them. To be looked at only: pods
/// are changed in Kubernetes. Of a pod's spec nothing is told, because it may hold secrets. `hub` must
/// outlive the routes.
std::vector<RestRoute> WorkloadRoutes(const RestHub& hub);

/// The schemas that they answer with.
void AddWorkloadSchemas(Json& schemas);

}  // namespace slicelet::provider
