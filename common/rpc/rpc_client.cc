#include "common/rpc/rpc_client.h"

#include "common/rpc/internal/client.h"
#include "common/rpc/internal/connection_arguments.h"
#include "common/rpc/internal/credentials.h"

namespace slicelet {

std::shared_ptr<grpc::Channel> RpcClient::Impl::Redial() {
  grpc::ChannelArguments arguments;
  // Otherwise channels to the same address share one connection and its back-off.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetMaxReceiveMessageSize(static_cast<int>(kMaxRpcMessageBytes));
  SetConnectionArguments(options.keepalive,
                         [&arguments](const char* name, int value) { arguments.SetInt(name, value); });
  // A proxy from the environment would see a host's traffic and break its identity.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  if (!options.server_name.empty()) arguments.SetSslTargetNameOverride(options.server_name);
  channel = grpc::CreateCustomChannel(options.address, credentials, arguments);
  return channel;
}

absl::StatusOr<std::unique_ptr<RpcClient>> RpcClient::Make(Loop& loop, Options options) {
  PrepareRpc();
  SLICELET_ASSIGN_OR_RETURN(auto credentials, ClientCredentials(options.address, options.tls));
  return std::make_unique<RpcClient>(
      std::make_unique<Impl>(loop, std::move(options), std::move(credentials)));
}

RpcClient::RpcClient(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

RpcClient::~RpcClient() {
  impl_->calls.Close();
  impl_->calls.WaitUntilEmpty();
}

}  // namespace slicelet
