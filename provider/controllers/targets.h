#pragma once

#include <optional>
#include <string>

#include "provider/controllers/plan.h"
#include "provider/controllers/settings.h"
#include "provider/controllers/world.h"

namespace slicelet::provider {

/// Why an object of `slice` can not run where its spec.target says; nullopt when it can.
std::optional<Finding> TargetProblem(const World& world, const ControllerSettings& settings,
                                     const std::string& slice, const Json& target);

}  // namespace slicelet::provider
