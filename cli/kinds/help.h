#pragma once

#include <string>

#include "cli/kinds/kind.h"

namespace slicelet::cli {

/// What --help calls a field's value: "NUMBER", "NAME=VALUE".
std::string ValueName(const Field& field);
/// What --help says about a field: what its definition says, and which values it takes.
std::string AboutField(const Field& field);
/// Command lines for the end of a verb's --help: the kind's own, or such as hold for every kind.
std::string ExampleOf(const Kind& kind, const std::string& verb);

}  // namespace slicelet::cli
