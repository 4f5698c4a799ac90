#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "common/base/status.h"

namespace slicelet::cli {

/// A TOML document as JSON: tables are objects, dates are texts. InvalidArgument, with line and column, for
/// what is not TOML or nests beyond all measure.
absl::StatusOr<nlohmann::json> ParseToml(std::string_view text);

}  // namespace slicelet::cli
