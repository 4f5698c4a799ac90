#pragma once

#include <vector>

#include "provider/rest/rest_hub.h"
#include "provider/rest/routes.h"

namespace slicelet::provider {

/// Read, make, change and delete objects of our kinds: clusters, hosts and slices of the hub; gateways,
/// servers and IoT devices below their slice. `hub` must outlive the routes.
std::vector<RestRoute> ObjectRoutes(const RestHub& hub);

}  // namespace slicelet::provider
