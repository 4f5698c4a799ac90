#pragma once

#include <string>

#include "common/base/status.h"

namespace slicelet::kube {

/// OK for "https://HOST[:PORT][/PREFIX]" that the HTTP library can make a client of, else InvalidArgument
/// with the address and what is wrong: the library throws where a client is made.
absl::Status CheckServerAddress(const std::string& address);

}  // namespace slicelet::kube
