#pragma once

#include <memory>

#include "common/loop/asio_loop.h"
#include "edge-agent/probes/prober.h"

namespace slicelet::agent {

/// Checks over real sockets. gRPC checks answer Unimplemented: this host can not make them yet. `loop` must
/// outlive it.
std::unique_ptr<Prober> MakeAsioProber(AsioLoop& loop);

}  // namespace slicelet::agent
