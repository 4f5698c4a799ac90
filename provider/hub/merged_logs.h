#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/base/ids.h"
#include "common/base/status.h"
#include "common/stream/frame_stream.h"

namespace slicelet::provider {

/// More hosts than this are not followed at one time; the others are named in the first lines.
inline constexpr std::size_t kMaxLogHosts = 64;
/// A line that is longer is cut into several.
inline constexpr std::size_t kMaxLogLine = std::size_t{16} * 1024;

/// A log stream of one host, which is told its answer first.
using HostLog = std::pair<HostId, std::shared_ptr<FrameStream>>;

/// Interleaves the logs of many hosts line by line, as they come, each line with its host: "gw-3 | text".
///
/// `client` is answered OK by the first host that has something to say; when none has, with the first error.
/// A host that fails later, or fails while others do not, says so in a line of its own. `notes` are lines of
/// ours that come first. A client that reads slowly holds up every host. Returns a handle whose destruction
/// ends all; `done` is called once when everything ended, not from within this call.
std::shared_ptr<void> MergeLogs(std::shared_ptr<FrameStream> client, std::vector<HostLog> hosts,
                                std::vector<std::string> notes, std::function<void()> done);

}  // namespace slicelet::provider
