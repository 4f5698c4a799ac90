#pragma once

#include <functional>
#include <string>

#include "cli/kinds/commands.h"

namespace slicelet::cli {

/// What `create` would write, without asking a cluster: the namespace of a slice is taken to be its name. The
/// files of a Secret are read and checked. `say` gets notes about them.
absl::Status PrintDryRun(const Kind& kind, const KindOptions& options, const KindDefaults& defaults,
                         FileSystem& files, const KindCommands::Print& out, const KindCommands::Print& say);

/// An object as it would be, after the Secret that would be written with it (null for none). As YAML they are
/// two documents, as JSON a List. In the place of the Secret's values is `kRedacted`; a table has the object
/// alone.
std::string PrintPlanned(const Kind& kind, const Json& object, Json secret, const std::string& format,
                         WallTime now);

/// No base64: an API server refuses a Secret with it.
inline constexpr char kRedacted[] = "<redacted>";

}  // namespace slicelet::cli
