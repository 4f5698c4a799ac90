#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string_view>

#include "common/base/status.h"

namespace slicelet::kube {

using Json = nlohmann::json;

/// Whether every member of what somebody has written, and no API server has looked at yet, has the JSON type
/// that Kubernetes' schema (core/v1, 1.36) gives it: whoever reads it need not ask again. `type` is one of
/// "Pod", "PodTemplate", "Service", "ConfigMap", "Secret", "ServiceAccount" and "EdgeHost".
///
/// A member that is null is as good as none; members that the schema does not know are left alone, because a
/// later Kubernetes may. InvalidArgument names the first field that does not fit, from `where` on, for
/// example "spec.template.spec.containers[0].name: is a number, where a text is needed".
absl::Status CheckShape(std::string_view type, const Json& object, std::string_view where = "");

/// As the API server reads it: a member that is null is not there.
Json WithoutNulls(const Json& value);

}  // namespace slicelet::kube
