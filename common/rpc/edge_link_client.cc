// Apart from the serving side, so that a program that only dials links no server.
#include "common/rpc/edge_link.h"
#include "common/rpc/internal/client.h"

namespace slicelet {

std::unique_ptr<Connector<v1::HostMessage, v1::HubMessage>> MakeHubConnector(RpcClient& client) {
  return std::make_unique<CallConnector<v1::HostMessage, v1::HubMessage>>(client.impl(),
                                                                          "/slicelet.v1.EdgeLink/Session");
}

std::unique_ptr<FrameStream> DialTunnel(RpcClient& client) {
  return OpenFrameStream(client.impl(), "/slicelet.v1.EdgeLink/Tunnel");
}

}  // namespace slicelet
