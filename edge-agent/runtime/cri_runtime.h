#pragma once

#include <memory>
#include <string>

#include "common/loop/loop.h"
#include "edge-agent/runtime/container_runtime.h"

namespace slicelet::agent {

/// The container runtime behind a unix socket, over CRI v1 (containerd 1.6 or newer).
///
/// Wake-ups come from containerd's own event service, else from CRI events, else from listing every second. A
/// wake-up for a container that ended is given when the runtime's answers show it, not before. The adapter
/// reconnects by itself; calls made meanwhile answer Unavailable. Timeouts: 30 s for questions, 4 min for
/// starting and removing, the grace plus 2 min for stopping, 30 min for pulling; then DeadlineExceeded, and
/// whether it happened is unknown. `loop` must outlive the runtime.
std::unique_ptr<ContainerRuntime> MakeCriRuntime(const std::string& socket, Loop& loop);

}  // namespace slicelet::agent
