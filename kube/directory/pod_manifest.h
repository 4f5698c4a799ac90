#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "common/base/status.h"

namespace slicelet::kube {

using Json = nlohmann::json;

/// Fields of a pod's spec that change in place (`ValidatePodSpecUpdate`).
inline constexpr const char* kMutablePodFields[] = {"activeDeadlineSeconds", "tolerations",
                                                    "terminationGracePeriodSeconds"};

/// What an API server asks of a pod and nothing here does later: containers with a name of their own and an
/// image. InvalidArgument names the field. For one of which `CheckShape` holds, as what follows.
absl::Status CheckPodManifest(const Json& pod);

/// What of a pod's spec, as written, makes it this pod and no other.
std::string ImmutablePartOfPod(const Json& pod);

}  // namespace slicelet::kube
