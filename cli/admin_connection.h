#pragma once

#include <memory>

#include "cli/operator_config.h"
#include "common/base/status.h"
#include "common/rpc/admin_client.h"

namespace slicelet::cli {

/// The admin API of the hub's provider.
absl::StatusOr<std::unique_ptr<AdminClient>> Connect(const OperatorConfig& config);

/// With what to look at when the provider does not answer.
absl::Status Explained(const absl::Status& status, const OperatorConfig& config);

}  // namespace slicelet::cli
