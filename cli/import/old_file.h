#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "common/base/status.h"
#include "kube/kube_api.h"

namespace slicelet::cli {

using Json = nlohmann::json;

/// What the old file does not say.
struct ImportOptions {
  std::string hub_ns = "slicelet";
  /// The host of each gateway, by the gateway's name in the file; "" is for all that are not named.
  std::map<std::string, std::string> hosts;
};

/// One object to be made.
struct ImportedObject {
  kube::Resource resource;
  Json object;
  /// "iotgateways.press"
  std::string from;
};

struct ImportPlan {
  /// In the order in which they have to be made.
  std::vector<ImportedObject> objects;
  /// What was taken otherwise than it stands there, or not at all, and why; without secrets.
  std::vector<std::string> notes;
  /// What can not be imported as it is, and what to do about it.
  std::vector<std::string> problems;
};

/// The state file of the former orchestrator (tables k8sclusters, iotslices, iotservers, iotgateways and
/// iotdevices, in the singular too) as objects. Everything in the file is imported, noted or a problem.
ImportPlan PlanImport(const Json& file, const ImportOptions& options);

}  // namespace slicelet::cli
