#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "common/base/file_system.h"

namespace slicelet::agent {

/// One file of a projected volume.
struct ProjectedFile {
  std::string data;
  std::uint32_t mode = 0644;
};

/// Makes `directory` show exactly `files` (relative path to content), all at once, as the kubelet does
/// (atomic_writer.go): the content lies in a fresh directory "..NUMBER", "..data" is a link to it that is
/// swapped atomically, and each top-level name is a link through "..data". A container never sees a mixture
/// of old and new. Nothing is written when the content is there already.
///
/// `group` (fsGroup) becomes the group of everything, with group read permission added.
/// InvalidArgument for absolute paths, ".." and names that begin with "..".
absl::Status WriteProjection(FileSystem& file_system, const std::string& directory,
                             const std::map<std::string, ProjectedFile>& files,
                             std::optional<std::int64_t> group);

}  // namespace slicelet::agent
