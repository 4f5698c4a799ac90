#pragma once

#include <string>

#include "common/base/file_system.h"

namespace slicelet::agent {

/// "/a//b/./c/" as "/a/b/c". InvalidArgument for a relative path and for one with a ".." component.
absl::StatusOr<std::string> CleanPath(const std::string& path);

/// True when `path` is `root` or lies below it. Both are clean.
bool IsBelow(const std::string& path, const std::string& root);

/// Follows every symbolic link of `path` (clean), as the kernel would; components that do not exist yet are
/// kept as they are. InvalidArgument after too many links.
absl::StatusOr<std::string> ResolveLinks(FileSystem& files, const std::string& path);

/// `root`/`relative` with all links resolved. PermissionDenied when that is not below `root`: a container
/// must not reach out of its volume with a link or with "..".
absl::StatusOr<std::string> ResolveBelow(FileSystem& files, const std::string& root,
                                         const std::string& relative);

}  // namespace slicelet::agent
