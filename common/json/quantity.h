#pragma once

#include <cstdint>
#include <string>

#include "common/base/status.h"
#include "common/json/json.h"

namespace slicelet {

/// Kubernetes' resource.Quantity ("500m", "1.5", "64Mi", "1e3"), rounded away from zero and limited to 64
/// bits as Kubernetes does. InvalidArgument names the text.
///
/// In thousandths: 0.5 CPUs are 500.
absl::StatusOr<std::int64_t> ParseQuantityMilli(const std::string& text);
/// In whole units: bytes, pods.
absl::StatusOr<std::int64_t> ParseQuantityBytes(const std::string& text);

/// The same for a JSON value: a string, or a plain number as people write it in YAML.
absl::StatusOr<std::int64_t> ParseQuantityMilli(const Json& value);
absl::StatusOr<std::int64_t> ParseQuantityBytes(const Json& value);

}  // namespace slicelet
