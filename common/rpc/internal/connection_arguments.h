#pragma once

#include <grpc/grpc.h>

#include <chrono>

#include "common/rpc/rpc_options.h"

namespace slicelet {

inline int Milliseconds(Duration duration) {
  return static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(duration).count());
}

/// What both ends of a connection agree on: `set(name, value)` is called for each of gRPC's arguments.
template <typename Set>
void SetConnectionArguments(const RpcKeepalive& keepalive, const Set& set) {
  set(GRPC_ARG_KEEPALIVE_TIME_MS, Milliseconds(keepalive.interval));
  set(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, Milliseconds(keepalive.timeout));
  set(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  // The default of two ends the pings on a stream that is idle, which is when they are needed.
  set(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  set(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  set(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, kRpcWindowBytes);
}

}  // namespace slicelet
