#pragma once

#include <grpcpp/security/auth_context.h>

#include "common/rpc/rpc_options.h"

namespace slicelet {

RpcPeer PeerOf(const grpc::AuthContext& context);

}  // namespace slicelet
