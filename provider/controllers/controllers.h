#pragma once

#include <functional>
#include <memory>

#include "common/rest/http_client.h"
#include "kube/cluster_reader.h"
#include "provider/controllers/devices.h"
#include "provider/controllers/engine.h"
#include "provider/controllers/other_clusters.h"
#include "provider/controllers/places.h"
#include "provider/controllers/settings.h"

namespace slicelet::provider {

/// Which slice each of the hub's nodes belongs to; called whenever that differs.
using SlicesChanged = std::function<void(const std::map<std::string, std::string>&)>;

struct Controllers {
  std::unique_ptr<Engine> engine;
  /// How registered clusters are reached; knows nothing any more once the engine is gone.
  ClusterWays ways;
};

/// The controllers of slicelet.io/v1alpha1 for one hub. `http` leads to IoT servers, `clusters` asks the
/// clusters that are registered. Everything must outlive the engine.
Controllers MakeControllers(const ControllerSettings& settings, Loop& loop, const Clock& clock,
                            Random& random, kube::KubeApi& api, HttpClient& http,
                            kube::ClusterReader& clusters, DeviceReports reports, PlaceReports places,
                            SlicesChanged slices_changed);

}  // namespace slicelet::provider
