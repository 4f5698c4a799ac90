#pragma once

#include <string>

#include "cli/kinds/object.h"

namespace slicelet::cli {

/// What the API server says about an object that it does not take, as one line that names field and value:
/// without the parts that help nobody, and with the options of the command line that are meant.
std::string ReadableRefusal(const Kind& kind, const std::string& name, const std::string& message,
                            const Given& given);

}  // namespace slicelet::cli
