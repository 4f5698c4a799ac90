#pragma once

#include <string>

#include "common/base/status.h"
#include "common/rpc/rpc_options.h"

namespace slicelet::provider {

/// OK for a certificate that this hub gave to a host: CN and "spiffe://HUB/host/CN" agree. Every other
/// certificate of the hub's CA, an operator's or another host's name included, is refused.
absl::Status AllowHost(const std::string& hub_id, const RpcPeer& peer);

/// OK for a certificate with this O entry ("slicelet:shims", "slicelet:operators").
absl::Status AllowGroup(const std::string& group, const RpcPeer& peer);

}  // namespace slicelet::provider
