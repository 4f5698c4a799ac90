#pragma once

#include "common/base/status.h"
#include "common/http/url.h"
#include "slicelet/v1/stream.pb.h"

namespace slicelet::shim {

/// PodLogOptions from a query, by the kubelet's rules. InvalidArgument (400) for what cannot be decoded,
/// FailedPrecondition (422) for combinations and ranges that are not allowed.
absl::StatusOr<v1::LogOptions> ReadLogOptions(const RequestTarget& target);

}  // namespace slicelet::shim
