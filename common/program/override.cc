#include "common/program/override.h"

#include <nlohmann/json.hpp>

namespace slicelet {

absl::Status Override(nlohmann::json& config, const std::string& assignment) {
  const auto equals = assignment.find('=');
  if (equals == std::string::npos || equals == 0) {
    return absl::InvalidArgumentError("--set " + assignment + ": write NAME=VALUE");
  }
  // An empty file is null, and as good as one without fields.
  if (config.is_object() || config.is_null()) {
    config[assignment.substr(0, equals)] = assignment.substr(equals + 1);
  }
  return absl::OkStatus();
}

}  // namespace slicelet
