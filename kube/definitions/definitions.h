#pragma once

#include <map>
#include <string>
#include <string_view>

namespace slicelet::kube {

/// The YAML of charts/slicelet-hub/crds that this program was built with, by plural ("iotgateways").
const std::map<std::string, std::string_view>& CustomResourceDefinitions();

}  // namespace slicelet::kube
