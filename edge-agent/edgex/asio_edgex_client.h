#pragma once

#include <memory>

#include "common/loop/asio_loop.h"
#include "edge-agent/edgex/edgex_client.h"

namespace slicelet::agent {

/// Plain HTTP/1.1 on the program's loop, a connection for each request. `loop` must outlive it.
std::unique_ptr<EdgexClient> MakeAsioEdgexClient(AsioLoop& loop);

}  // namespace slicelet::agent
