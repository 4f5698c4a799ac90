#pragma once

#include <memory>

#include "common/program/program.h"
#include "kubelet-shim/app/config.h"

namespace slicelet::shim {

/// Gives a Shim its real parts: API server or directory, provider, certificates, listeners.
absl::StatusOr<std::unique_ptr<Server>> StartShim(const ShimConfig& config, AsioLoop& loop);

}  // namespace slicelet::shim
