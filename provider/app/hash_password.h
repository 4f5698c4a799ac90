#pragma once

#include <string>

#include "common/base/status.h"

namespace slicelet::provider {

/// Reads one line from standard input, without showing it on a terminal, and returns its hash for the users
/// file of the admin API.
absl::StatusOr<std::string> HashPasswordOfInput();

}  // namespace slicelet::provider
