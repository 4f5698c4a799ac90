#pragma once

#include <string_view>
#include <vector>

#include "common/base/status.h"
#include "common/json/json.h"

namespace slicelet {

/// The documents of a YAML stream as JSON, read as Kubernetes reads them (YAML 1.1 scalars: yes and on are
/// true, 017 is 15; what is quoted stays text). Empty documents are left out.
///
/// InvalidArgument, with line and column, for what is not YAML, duplicate keys, values JSON does not have,
/// nesting deeper than kMaxJsonDepth, and documents that aliases blow up beyond all measure.
absl::StatusOr<std::vector<Json>> ParseYamlDocuments(std::string_view text);

/// Exactly one document.
absl::StatusOr<Json> ParseYaml(std::string_view text);

}  // namespace slicelet
