#pragma once

#include <map>
#include <string>

namespace slicelet::provider {

/// charts/slicelet-hub/crds/PLURAL.yaml by PLURAL, as they were when this was built.
const std::map<std::string, std::string>& CrdTexts();

}  // namespace slicelet::provider
