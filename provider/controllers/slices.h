#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "provider/controllers/controller.h"
#include "provider/controllers/other_clusters.h"
#include "provider/controllers/settings.h"

namespace slicelet::provider {

/// IotSlice: its namespace with a quota in each of its clusters, the hub's nodes that belong to it, and no
/// end while it is used.
std::unique_ptr<Controller> MakeSliceController(const ControllerSettings& settings, ClusterWorlds worlds);

/// The namespace of a slice.
std::string NamespaceOfSlice(const Json& slice);

/// Which slice each of the hub's nodes belongs to. A node belongs to the oldest slice that names it; what no
/// slice names belongs to the oldest one that names none.
std::map<std::string, std::string> NodesOfSlices(const World& world, const ControllerSettings& settings);

/// Whether `ns` belongs to a slice of another hub: what lives there is that hub's business.
bool OfAnotherHub(const World& world, const ControllerSettings& settings, const std::string& ns);

/// Why an object in `ns`, which is not of another hub, can not belong to `slice`; nullopt when it can. Of a
/// namespace that is no slice's every hub says the same.
std::optional<Finding> SliceProblem(const World& world, const ControllerSettings& settings,
                                    const std::string& slice, const std::string& ns);

}  // namespace slicelet::provider
