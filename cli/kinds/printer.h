#pragma once

#include <string>
#include <vector>

#include "cli/kinds/kind.h"
#include "common/base/time.h"

namespace slicelet::cli {

/// How objects are printed: "table", "wide", "json", "yaml" or "name".
extern const std::vector<std::string> kFormats;

/// Some objects of a kind. As JSON and YAML they are a v1 List, as with kubectl; `namespaces` adds the
/// namespace's column.
std::string PrintList(const Kind& kind, const std::vector<Json>& objects, const std::string& format,
                      bool namespaces, WallTime now);

/// One object. As a table: all of its columns, then its conditions and steps.
std::string PrintOne(const Kind& kind, const Json& object, const std::string& format, WallTime now);

}  // namespace slicelet::cli
