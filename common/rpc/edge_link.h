#pragma once

#include <functional>
#include <memory>
#include <string>

#include "common/rpc/rpc_client.h"
#include "common/rpc/rpc_server.h"
#include "common/stream/frame_stream.h"
#include "common/stream/message_pipe.h"
#include "slicelet/v1/link.pb.h"

namespace slicelet {

/// EdgeLink.Session, dialled by the agent. `client` must outlive the connector and its pipes.
std::unique_ptr<Connector<v1::HostMessage, v1::HubMessage>> MakeHubConnector(RpcClient& client);
/// EdgeLink.Tunnel, over the newest session's connection.
std::unique_ptr<FrameStream> DialTunnel(RpcClient& client);

/// The provider's side of EdgeLink. The identity of a peer is its certificate's CN.
class EdgeLinkService : public RpcService {
 public:
  explicit EdgeLinkService(Loop& loop);
  ~EdgeLinkService() override;

  [[nodiscard]] Acceptor<v1::HubMessage, v1::HostMessage>& sessions();
  using OnTunnel = std::function<void(std::unique_ptr<FrameStream>, const std::string& host)>;
  /// Call once, before the server starts.
  void ServeTunnels(OnTunnel on_tunnel);

  std::shared_ptr<grpc::Service> Bind(LiveCalls& calls, Authorize authorize) override;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace slicelet
