#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/operator_config.h"
#include "common/base/status.h"

namespace slicelet::cli {

/// What stands in for kubectl in standalone mode, over the shim's HTTPS API.

struct GetOptions {
  std::string kind;  // pods, nodes
  std::string name;
  std::string ns = "default";
  bool all_namespaces = false;
  std::string output = "table";  // table, wide, json, name
};
absl::Status RunGet(const OperatorConfig& config, const GetOptions& options);

struct LogsOptions {
  std::string pod, container;
  std::string ns = "default";
  bool follow = false, previous = false, timestamps = false;
  std::optional<std::int64_t> tail, limit_bytes;
  std::string since;  // a duration
  std::string host;   // of a fleet node
};
absl::Status RunLogs(const OperatorConfig& config, const LogsOptions& options);

struct ExecCommand {
  std::string pod, container;
  std::string ns = "default";
  bool stdin_open = false, tty = false;
  std::string host;  // of a fleet node
  std::vector<std::string> command;
};
/// The remote command's exit code.
absl::StatusOr<int> RunExec(const OperatorConfig& config, const ExecCommand& options);

}  // namespace slicelet::cli
