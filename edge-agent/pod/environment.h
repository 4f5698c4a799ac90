#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "edge-agent/volumes/downward.h"
#include "slicelet/v1/workload.pb.h"

namespace slicelet::agent {

/// Reads the opened content behind a content id.
using ContentReader = std::function<absl::StatusOr<v1::FileSet>(const std::string& content_id)>;

/// A container's environment, all references resolved.
struct Environment {
  /// In the order of first definition; a later definition of a name replaced the value.
  std::vector<std::pair<std::string, std::string>> list;
  std::map<std::string, std::string> values;
};

/// Resolves env in order: $(VAR) sees what was defined before it. The message of a failure is the kubelet's.
absl::StatusOr<Environment> ResolveEnvironment(const v1::Workload& workload, const v1::Container& container,
                                               const ContentReader& content, const HostFacts& facts);

}  // namespace slicelet::agent
