#pragma once

#include <string>
#include <string_view>

#include "common/base/status.h"
#include "kube/kube_api.h"

namespace slicelet::kube {

/// The status that stands for an HTTP answer, as `KubeApi` defines it. `body` is a metav1.Status where the
/// API server wrote it, or anything where a proxy did. `retry_after` is the header's value, or empty.
absl::Status StatusOfAnswer(int code, std::string_view body, std::string_view retry_after);

/// The status that an ERROR event of a watch stands for. Versions that the server has no history for, in
/// either direction, are OutOfRange.
absl::Status StatusOfErrorEvent(const Json& object);

/// "resourceVersion=5&watch=true...", encoded.
std::string ListQuery(const ListOptions& options);

}  // namespace slicelet::kube
