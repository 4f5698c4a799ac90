#pragma once

#include <functional>
#include <memory>
#include <string>

#include "common/rpc/rpc_client.h"
#include "common/rpc/rpc_server.h"
#include "common/stream/frame_stream.h"
#include "common/stream/message_pipe.h"
#include "slicelet/v1/provider.pb.h"

namespace slicelet {

/// Provider.Sync, dialled by the shim. `client` must outlive the connector and its pipes.
std::unique_ptr<Connector<v1::ShimMessage, v1::ProviderMessage>> MakeProviderConnector(RpcClient& client);
/// Provider.Stream, over the newest Sync's connection.
std::unique_ptr<FrameStream> OpenProviderStream(RpcClient& client);

/// The provider's side of Provider.
class ProviderService : public RpcService {
 public:
  explicit ProviderService(Loop& loop);
  ~ProviderService() override;

  [[nodiscard]] Acceptor<v1::ProviderMessage, v1::ShimMessage>& shims();
  using OnStream = std::function<void(std::unique_ptr<FrameStream>)>;
  /// Call once, before the server starts.
  void ServeStreams(OnStream on_stream);

  std::shared_ptr<grpc::Service> Bind(LiveCalls& calls, Authorize authorize) override;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace slicelet
