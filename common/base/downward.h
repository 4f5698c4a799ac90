#pragma once

#include <map>
#include <optional>
#include <string>

namespace slicelet {

/// Labels or annotations as the downward API shows them: lines of KEY="VALUE" in the order of their keys, the
/// value as Go's %q writes it (kubelet, fieldpath.FormatMap).
std::string FormatDownwardMap(const std::map<std::string, std::string>& map);

/// The KEY of a field path "MAP['KEY']", such as "metadata.labels['app']"; nullopt for any other path.
std::optional<std::string> DownwardKey(const std::string& path, const std::string& map);

}  // namespace slicelet
