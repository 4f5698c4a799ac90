#pragma once

#include <string>

#include "common/loop/loop.h"

namespace slicelet::agent {

/// Talks to systemd by the sd_notify protocol; without systemd it does nothing. The watchdog is fed from the
/// loop: a loop that hangs is restarted.
class ServiceManager {
 public:
  explicit ServiceManager(Loop& loop) : timer_(loop) {}

  void Ready(const std::string& status);
  void Stopping();

 private:
  void FeedWatchdog();

  Timer timer_;
  Duration interval_{};
};

}  // namespace slicelet::agent
