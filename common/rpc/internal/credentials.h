#pragma once

#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>

#include <memory>
#include <optional>
#include <string>

#include "common/base/status.h"
#include "common/rpc/rpc_options.h"

namespace slicelet {

/// True for "unix:/path".
bool IsUnixAddress(const std::string& address);

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> ClientCredentials(const std::string& address,
                                                                            const std::optional<RpcTls>& tls);
absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> ServerCredentials(const std::string& address,
                                                                           const std::optional<RpcTls>& tls);

/// Before the first use of gRPC: sends its log lines to ours, as debug, and lets the system resolve names.
/// Once per process; later calls do nothing.
void PrepareRpc();

}  // namespace slicelet
