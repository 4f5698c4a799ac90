#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "common/base/status.h"

namespace slicelet {

/// Puts NAME=VALUE (the argument of --set) into the top level of a configuration, as a text. InvalidArgument
/// when it is written otherwise. A configuration that has no named fields at all stays as it is: whoever
/// reads it says so.
absl::Status Override(nlohmann::json& config, const std::string& assignment);

}  // namespace slicelet
