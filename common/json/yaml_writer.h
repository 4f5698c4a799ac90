#pragma once

#include <string>

#include "common/json/json.h"

namespace slicelet {

/// Block-style YAML that `ParseYaml` (and Kubernetes) reads back as the same values, with a line end at the
/// end.
std::string DumpYaml(const Json& json);

}  // namespace slicelet
