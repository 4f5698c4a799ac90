#pragma once

#include <vector>

#include "provider/rest/rest_hub.h"
#include "provider/rest/routes.h"

namespace slicelet::provider {

/// The reason, with status 500, of what cannot be reached.
inline constexpr char kUnreachable[] = "ECONNREFUSED";

/// The routes of the ASSIST-IoT Smart Orchestrator 3.0 below /compat/v3/api, for programs written for it: its
/// clusters are IotClusters, its enablers IotGateways and IotServers. What it did with chart repositories is
/// answered with 501. Where it answered 500 because something could not be reached, so do these. `hub` and
/// `components` must outlive the routes.
std::vector<RestRoute> CompatRoutes(const RestHub& hub, const Json& components);

/// The schemas that they use.
void AddCompatSchemas(Json& schemas);

// The parts it is made of.
void AddCompatClusterRoutes(const RestHub& hub, std::vector<RestRoute>& routes);
void AddCompatClusterSchemas(Json& schemas);
void AddCompatEnablerRoutes(const RestHub& hub, const Json& components, std::vector<RestRoute>& routes);
void AddCompatEnablerSchemas(Json& schemas);

}  // namespace slicelet::provider
