#pragma once

#include <memory>

#include "provider/controllers/cluster_prober.h"
#include "provider/controllers/controller.h"
#include "provider/controllers/settings.h"

namespace slicelet::provider {

/// IotCluster: registered once its API server was reached and the rules hold: one cloud cluster, which comes
/// first, and no cluster twice. A registered one is known by status.uid, and stays while slices name it, the
/// cloud cluster while there are edge clusters.
std::unique_ptr<Controller> MakeClusterController(ControllerSettings settings, ClusterReports reports);

}  // namespace slicelet::provider
