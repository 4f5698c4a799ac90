#pragma once

#include <functional>
#include <memory>
#include <string>

#include "common/loop/asio_loop.h"

namespace slicelet::agent {

/// Tells when something in a directory of log files changed: written, closed, created, renamed.
class LogWatcher {
 public:
  virtual ~LogWatcher() = default;
  /// `changed` runs on the loop until the handle is destroyed. nullptr when the directory can not be watched:
  /// then the caller has to look by itself now and then.
  virtual std::shared_ptr<void> Watch(const std::string& directory, std::function<void()> changed) = 0;
};

/// By inotify. `loop` must outlive the watcher and its handles.
std::unique_ptr<LogWatcher> MakeLogWatcher(AsioLoop& loop);

}  // namespace slicelet::agent
