#pragma once

#include <functional>
#include <string>

#include "cli/operator_config.h"
#include "common/base/status.h"
#include "slicelet/v1/admin.pb.h"

namespace CLI {
class App;
}

namespace slicelet::cli {

/// `slicectl explain pod`. `on_hub` makes a command run an action with the hub's configuration.
void AddExplain(CLI::App& app,
                const std::function<void(CLI::App* command,
                                         std::function<absl::Status(const OperatorConfig&)> action)>& on_hub);

/// One line about the pod and a row for each host.
std::string ExplanationTable(const v1::ExplainPodReply& reply);
std::string ExplanationJson(const v1::ExplainPodReply& reply);

}  // namespace slicelet::cli
