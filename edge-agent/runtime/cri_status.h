#pragma once

#include <grpcpp/support/status.h>

#include "common/base/status.h"

namespace slicelet::agent::cri {

/// Our status for the runtime's. A runtime that is still starting counts as unreachable.
absl::Status FromGrpc(const grpc::Status& status);

}  // namespace slicelet::agent::cri
