#pragma once

#include <memory>
#include <optional>
#include <string>

#include "provider/controllers/cluster_prober.h"
#include "provider/controllers/controller.h"
#include "provider/controllers/settings.h"

namespace slicelet::provider {

/// IotCluster: registered once its API server was reached and the rules hold: one cloud cluster, which comes
/// first, and no cluster twice. A registered one is known by status.uid, and stays while slices name it, the
/// cloud cluster while there are edge clusters.
std::unique_ptr<Controller> MakeClusterController(ControllerSettings settings, ClusterReports reports);

/// Why an IotCluster has to stay, from the slices and clusters of `world`; nullopt when it may go. The
/// message ends with what to do, and with `otherwise`.
std::optional<Finding> ClusterInUse(const World& world, const Json& cluster, const std::string& otherwise);

}  // namespace slicelet::provider
