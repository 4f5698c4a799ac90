#pragma once

#include <memory>

#include "common/loop/loop.h"
#include "edge-agent/probes/prober.h"

namespace slicelet::agent {

/// Carries out gRPC checks by gRPC's health service, without TLS and over a connection of their own, as the
/// kubelet does; hands all other checks to `others`. `loop` must outlive it.
std::unique_ptr<Prober> MakeGrpcProber(Loop& loop, std::unique_ptr<Prober> others);

}  // namespace slicelet::agent
