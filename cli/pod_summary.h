#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "common/base/time.h"

namespace slicelet::cli {

/// What kubectl shows of a pod in one line (READY, STATUS, RESTARTS), with kubectl's words and rules.
struct PodSummary {
  /// Ready containers and all that have to be; sidecars count.
  int ready = 0;
  int containers = 0;
  /// The most telling of deletion, what init containers do, waiting and terminated reasons, and phase:
  /// "Init:1/2", "CrashLoopBackOff", "Terminating", "Completed" ...
  std::string state;
  /// "3", or "3 (5m ago)" with the age of the last one.
  std::string restarts;
};

PodSummary SummarizePod(const nlohmann::json& pod, WallTime now);

}  // namespace slicelet::cli
