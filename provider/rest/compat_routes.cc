#include "provider/rest/compat_routes.h"

#include <utility>

namespace slicelet::provider {
namespace {

void AddChartRepositories(std::vector<RestRoute>& routes) {
  const std::string path = "/compat/v3/api/chartrepo";
  struct Row {
    const char* method;
    std::string path;
    const char* id;
    Access access;
  };
  for (const Row& row : {Row{"GET", path, "compatListChartRepositories", Access::kViewer},
                         Row{"POST", path, "compatAddChartRepository", Access::kOperator},
                         Row{"GET", path + "/{id}", "compatGetChartRepository", Access::kViewer},
                         Row{"DELETE", path + "/{id}", "compatDeleteChartRepository", Access::kOperator}}) {
    RestRoute route{.method = row.method,
                    .path = row.path,
                    .id = row.id,
                    .summary = "Not here: slicelet installs no charts.",
                    .access = row.access,
                    .success = 0,
                    .refusals = {501}};
    route.handle = [](const RestCall&, const RestReply& reply) {
      reply(Refuse({.status = 501,
                    .reason = "ChartsNotSupported",
                    .error = "slicelet installs no charts and keeps no chart repositories",
                    .remedy = "helm installs charts; the gateways and servers of slices are enablers with "
                              "helmChart slicelet/gateway and slicelet/server"}));
    };
    routes.push_back(std::move(route));
  }
}

/// What cannot be reached was an internal error there, with the reason of the system call.
RestAnswer AsThere(RestAnswer answer) {
  if (answer.status != 503) return answer;
  answer.status = 500;
  answer.body["reason"] = kUnreachable;
  return answer;
}

}  // namespace

std::vector<RestRoute> CompatRoutes(const RestHub& hub, const Json& components) {
  std::vector<RestRoute> routes;
  AddCompatClusterRoutes(hub, routes);
  AddCompatEnablerRoutes(hub, components, routes);
  for (RestRoute& route : routes) {
    route.refusals.insert({403, 500, 501});
    route.handle = [&hub, handle = route.handle](const RestCall& call, const RestReply& reply) {
      if (hub.standalone) return reply(RefuseStandalone("this"));
      handle(call, [reply](RestAnswer answer) { reply(AsThere(std::move(answer))); });
    };
  }
  AddChartRepositories(routes);
  for (RestRoute& route : routes) route.tag = "compat";
  return routes;
}

void AddCompatSchemas(Json& schemas) {
  AddCompatClusterSchemas(schemas);
  AddCompatEnablerSchemas(schemas);
}

}  // namespace slicelet::provider
