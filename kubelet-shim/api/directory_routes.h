#pragma once

#include <memory>

#include "common/http/http_server.h"
#include "kube/kube_api.h"

namespace slicelet::shim {

/// Standalone mode's read-only stand-in for the API server, for slicectl: GET of
/// /api/v1/{nodes,pods,events}, /api/v1/nodes/NAME and /api/v1/namespaces/NS/{pods,events}[/NAME], with
/// fieldSelector and labelSelector. False when the path is none of them; then nothing was answered.
bool ServeDirectory(kube::KubeApi& directory, const std::shared_ptr<HttpExchange>& exchange);

}  // namespace slicelet::shim
