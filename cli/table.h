#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "common/base/time.h"

namespace slicelet::cli {

using Row = std::vector<std::string>;

/// Without characters that a terminal would obey: "\\n", "\\x1b". Names and messages come from the API and
/// from hosts.
std::string Printable(const std::string& text);

/// Columns separated by three blanks, as kubectl prints them; every cell made `Printable`. The first row is
/// the heading.
std::string FormatTable(const std::vector<Row>& rows);

/// "5s", "3m12s", "4h2m", "12d": kubectl's way to show an age. "<unknown>" for a time that can not be read.
std::string FormatAge(const std::string& timestamp, WallTime now);

/// kubectl's columns for pods and nodes; `wide` adds addresses.
std::vector<Row> PodRows(const std::vector<nlohmann::json>& pods, bool namespaces, bool wide, WallTime now);
std::vector<Row> NodeRows(const std::vector<nlohmann::json>& nodes, bool wide, WallTime now);

}  // namespace slicelet::cli
