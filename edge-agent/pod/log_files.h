#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/base/file_system.h"

namespace slicelet::agent {

/// The log files of one attempt in a container's log directory, oldest first: rotated ones
/// ("3.log.NANOSECONDS", 19 digits), then "3.log", which is absent until the runtime has reopened it.
/// Empty when there are none.
std::vector<std::string> LogFiles(FileSystem& files, const std::string& directory, std::int32_t attempt);

/// Moves the log aside when it is larger than `max_bytes` and keeps at most `max_files` files of the attempt
/// and those of the attempt before. True when the runtime has to reopen it, also because it should have and
/// did not.
bool RotateLog(FileSystem& files, const std::string& directory, std::int32_t attempt, std::uint64_t max_bytes,
               int max_files, std::int64_t now);

/// The text of the last lines of a CRI log, at most 2048 bytes and 80 lines (kubelet FallbackToLogsOnError).
/// "" when it can not be read.
std::string LogTail(FileSystem& files, const std::string& path, std::uint64_t limit);

}  // namespace slicelet::agent
