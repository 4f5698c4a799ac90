#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "slicelet/v1/link.pb.h"
#include "slicelet/v1/workload.pb.h"

namespace slicelet::agent {

/// Bytes of one answer. With its envelope it fits into one message of a broker.
inline constexpr std::size_t kLogTailPiece = std::size_t{48} * 1024;
/// What is longer of a line is left out, so that an answer always has room for one.
inline constexpr std::size_t kMaxLogTailLine = std::size_t{32} * 1024;
/// No more is read of a log, whatever is asked for.
inline constexpr std::uint64_t kMaxLogTailBytes = std::uint64_t{256} * 1024;

/// The next piece of the end of a log: of `files` (of one instance, oldest first) what follows the line that
/// was written at `after` (0: from the beginning) and is no further than `limit` bytes from the end. Only
/// lines of a container's output; one that is not ended yet belongs to the next time.
///
/// Where that line is not found, too much was written since, or the clock was set: then the piece begins as
/// far from the end as `limit` allows, and does not continue.
v1::LogTail ReadLogTail(const std::vector<std::string>& files, std::int64_t after, std::uint64_t limit);

/// Which of a container's log files are those of the instance `container_id`: `logs` (of the newest attempt),
/// `previous_logs`, or nullptr when neither are, or nothing is left of them.
const std::vector<std::string>* FilesOfInstance(const v1::ContainerStatus& status,
                                                const std::string& container_id,
                                                const std::vector<std::string>& logs,
                                                const std::vector<std::string>& previous_logs);

}  // namespace slicelet::agent
