#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/base/status.h"
#include "common/base/time.h"
#include "common/loop/loop.h"
#include "common/stream/frame_stream.h"
#include "edge-agent/logs/log_watcher.h"

namespace slicelet::agent {

/// Where a container's log is, asked again while it is followed.
struct LogSource {
  /// Oldest first, the last is being written.
  std::vector<std::string> files;
  bool running = false;
};

/// Answers a request for logs on `stream`: the reply, then data frames as fast as the reader takes them.
/// Following ends when the container has stopped and everything is sent, or when the reader goes. `locate` is
/// called on the loop; an error of it becomes the reply. The rest must outlive the stream.
void ServeLogs(Loop& loop, const Clock& clock, LogWatcher& watcher, const v1::LogOptions& options,
               std::function<absl::StatusOr<LogSource>()> locate, std::shared_ptr<FrameStream> stream);

}  // namespace slicelet::agent
