#pragma once

#include <string>

#include "common/base/status.h"
#include "slicelet/v1/link.pb.h"

namespace slicelet {

/// When the end of a container's log is read to be kept, as users write it: "off", "exit" (once the container
/// has ended), or a duration of 1m to 7d (also this often while it runs). InvalidArgument says what it should
/// be.
absl::StatusOr<v1::LogTailRule> ParseLogTailRule(const std::string& text);

}  // namespace slicelet
