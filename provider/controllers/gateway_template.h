#pragma once

#include <optional>

#include "provider/controllers/plan.h"

namespace slicelet::provider {

/// Why spec.template of an IotGateway can be no pod whatever else is so: a member has another JSON type than
/// in a Pod. The API server lets that pass, because the kind's schema leaves a pod's spec to Kubernetes.
/// Nothing else may look into the template of a gateway of which this is said.
std::optional<Finding> TemplateInvalid(const Json& gateway);

}  // namespace slicelet::provider
