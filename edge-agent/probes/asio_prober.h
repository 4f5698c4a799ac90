#pragma once

#include <memory>

#include "common/loop/asio_loop.h"
#include "edge-agent/probes/prober.h"

namespace slicelet::agent {

/// HTTP and TCP checks over real sockets; gRPC checks answer Unimplemented. `loop` must outlive it.
std::unique_ptr<Prober> MakeAsioProber(AsioLoop& loop);

}  // namespace slicelet::agent
