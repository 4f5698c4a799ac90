#pragma once

#include <memory>
#include <set>
#include <string>

#include "common/loop/loop.h"
#include "edge-agent/runtime/container_runtime.h"

namespace grpc {
class Channel;
}

namespace slicelet::agent {
class Caller;
}

namespace slicelet::agent::cri {

/// Tells when a container or sandbox ended, as soon as CRI's answers show it.
///
/// Source: containerd's event service; where that is unimplemented CRI events; where those are too, a listing
/// every second that is compared with the one before. A stream that breaks gives an empty wake-up once it
/// stands again.
class RuntimeEvents {
 public:
  /// `caller` must outlive this object.
  RuntimeEvents(std::shared_ptr<grpc::Channel> channel, Caller& caller,
                std::function<void(ContainerRuntime::WakeUp)> wake_up);
  ~RuntimeEvents();

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace slicelet::agent::cri
