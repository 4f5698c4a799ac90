#pragma once

#include "common/base/status.h"
#include "kube/kube_api.h"

namespace slicelet::kube {

/// `object` with `patch` applied as the API server does. Strategic merge knows the merge keys of the kinds
/// slicelet writes (conditions by type, podIPs by ip, containers by name ...) and the directives `$patch` and
/// `$deleteFromPrimitiveList`. InvalidArgument for a patch that can not be read, FailedPrecondition for a
/// JSON patch whose operations do not apply.
absl::StatusOr<Json> ApplyPatch(const Json& object, PatchType type, const Json& patch);

}  // namespace slicelet::kube
