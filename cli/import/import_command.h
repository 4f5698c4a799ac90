#pragma once

#include <functional>
#include <string>

#include "cli/import/old_file.h"
#include "cli/kube/cluster.h"

namespace slicelet::cli {

using ImportPrint = std::function<void(const std::string&)>;

/// Makes a plan's objects. One that is there as the file has it is left as it is, and so is one that is
/// otherwise, which is told and counts as failed: importing twice is importing once. `out` gets a line per
/// object, `say` notes, problems and progress. An error counts what was not imported.
absl::Status ApplyImport(const ImportPlan& plan, Cluster& cluster, Duration timeout, const ImportPrint& out,
                         const ImportPrint& say);

/// The objects as a YAML stream for kubectl, and the notes; changes nothing.
absl::Status PrintImport(const ImportPlan& plan, const ImportPrint& out, const ImportPrint& say);

/// Reads `path` (a TOML file). `hosts` are [GATEWAY=]HOST.
absl::StatusOr<ImportPlan> ReadImport(const std::string& path, const std::vector<std::string>& hosts,
                                      const std::string& hub_ns);

}  // namespace slicelet::cli
