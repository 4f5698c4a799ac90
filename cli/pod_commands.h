#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "cli/operator_config.h"
#include "common/base/status.h"
#include "kube/http/kube_config.h"

namespace slicelet::cli {

/// What stands in for kubectl: over the HTTPS API of a standalone hub's shim; of logs and exec, which can
/// name a host, also over a cluster's API server.

/// A standalone hub, or a cluster. There the pod's own subresources are used, as kubectl does; logs of a host
/// that is named come through the API of the pod's node, which needs a right to `nodes/proxy`.
using PodSource = std::variant<OperatorConfig, kube::KubeConfig>;

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
  std::string ns;  // empty: the kubeconfig's, else "default"
  bool follow = false, previous = false, timestamps = false;
  std::optional<std::int64_t> tail, limit_bytes;
  std::string since;  // a duration
  std::string host;   // of a fleet node
};
absl::Status RunLogs(const PodSource& source, const LogsOptions& options);

struct ExecCommand {
  std::string pod, container;
  std::string ns;  // as of LogsOptions
  bool stdin_open = false, tty = false;
  std::string host;  // of a fleet node
  std::vector<std::string> command;
};
/// The remote command's exit code.
absl::StatusOr<int> RunExec(const PodSource& source, const ExecCommand& options);

}  // namespace slicelet::cli
