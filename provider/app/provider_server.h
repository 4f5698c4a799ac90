#pragma once

#include <memory>

#include "common/program/program.h"
#include "provider/app/config.h"

namespace slicelet::provider {

/// Gives a Hub its real parts: store, keys, API server, listeners.
absl::StatusOr<std::unique_ptr<Server>> StartProvider(const ProviderConfig& config, AsioLoop& loop);

}  // namespace slicelet::provider
