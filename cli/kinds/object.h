#pragma once

#include <map>
#include <string>
#include <vector>

#include "cli/kinds/kind.h"
#include "common/base/file_system.h"
#include "common/base/status.h"

namespace slicelet::cli {

/// What the command line says: the values of each option, in order.
using Given = std::map<std::string, std::vector<std::string>>;

/// The object that a command line describes. InvalidArgument names the option and its value. `files` is for
/// options that name a file.
absl::StatusOr<Json> ObjectOf(const Kind& kind, const std::string& ns, const std::string& name,
                              const Given& given, FileSystem& files);

/// The merge patch that makes an object be as a command line says. `unset` names options, without dashes, or
/// groups of them ("quota"). Of a map, `name=value` sets and `name-` removes. A list is replaced as a whole.
absl::StatusOr<Json> PatchOf(const Kind& kind, const Given& given, const std::vector<std::string>& unset,
                             FileSystem& files);

/// What an IoT device measures: NAME[:TYPE[:UNITS[:INTERVAL]]][,KEY=VALUE...]. The keys minimum, maximum,
/// readWrite are EdgeX's own words for a resource; every other is an attribute for the device service.
absl::StatusOr<Json> ParseResource(const std::string& text);

/// Sets the member that a path such as "target.host" leads to, making the objects on the way.
void SetAt(Json& object, const std::string& path, Json value);

}  // namespace slicelet::cli
