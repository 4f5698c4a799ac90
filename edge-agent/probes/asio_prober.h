#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/loop/asio_loop.h"
#include "edge-agent/probes/prober.h"

namespace slicelet::agent {

/// Asks for the addresses of a name and returns what gives the question up.
using HostLookup =
    std::function<std::function<void()>(const std::string& name, Callback<std::vector<std::string>> done)>;

/// The system's resolver. One name is looked up at a time.
HostLookup MakeAsioLookup(AsioLoop& loop);

/// HTTP and TCP checks over real sockets; gRPC checks answer Unimplemented. `loop` must outlive it.
///
/// An address is connected to without `lookup`: where the network is away, each name takes seconds, and the
/// probes of other pods must not wait for that. A name that is not known at a check's deadline fails it.
std::unique_ptr<Prober> MakeAsioProber(AsioLoop& loop, HostLookup lookup);
inline std::unique_ptr<Prober> MakeAsioProber(AsioLoop& loop) {
  return MakeAsioProber(loop, MakeAsioLookup(loop));
}

}  // namespace slicelet::agent
