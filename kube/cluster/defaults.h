#pragma once

#include <string>

#include "kube/kube_api.h"

namespace slicelet::kube {

/// Fills in what the API server's defaulting and its default admission plugins would (core/v1, 1.36), for
/// pods, services and secrets, as far as slicelet reads it. Idempotent. What has another type than it should
/// is left as it is.
void ApplyDefaults(const Resource& resource, Json& object);

/// BestEffort, Burstable or Guaranteed, from the containers' requests and limits of cpu and memory.
std::string QosClass(const Json& pod);

}  // namespace slicelet::kube
