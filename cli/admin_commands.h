#pragma once

#include <string>
#include <vector>

#include "cli/operator_config.h"
#include "common/base/status.h"

namespace slicelet::cli {

/// What slicectl asks of the provider. `output` is one of `kFormats`; wide is table.

absl::Status RunHostList(const OperatorConfig& config, const std::string& output);
absl::Status RunPodHosts(const OperatorConfig& config, const std::string& ns, const std::string& pod,
                         const std::string& output);
absl::Status RunOrphansList(const OperatorConfig& config, const std::string& output);
/// Either uids, or all orphans of a node.
absl::Status RunOrphansDecide(const OperatorConfig& config, bool keep, const std::vector<std::string>& uids,
                              const std::string& node);
absl::Status RunNodeDecommission(const OperatorConfig& config, const std::string& node, bool force);

}  // namespace slicelet::cli
