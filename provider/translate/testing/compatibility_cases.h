#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace slicelet::provider {

/// What a row's sample pod differs in from the plainest one, and what has to come of it.
struct CompatibilityCase {
  std::string field;
  nlohmann::json pod;
  /// Honoured: a part of the workload as text. Refused and ignored: the exact path named.
  std::string expected;
};

/// By the part of a pod that the fields belong to.
std::vector<CompatibilityCase> MetadataCases();
std::vector<CompatibilityCase> PodCases();
std::vector<CompatibilityCase> PodSecurityCases();
std::vector<CompatibilityCase> ContainerCases();
std::vector<CompatibilityCase> ProbeCases();
std::vector<CompatibilityCase> ContainerSecurityCases();
std::vector<CompatibilityCase> VolumeCases();

}  // namespace slicelet::provider
