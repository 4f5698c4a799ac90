// Apart from the serving side, so that a program that only dials links no server.
#include "common/rpc/internal/client.h"
#include "common/rpc/provider_link.h"

namespace slicelet {

std::unique_ptr<Connector<v1::ShimMessage, v1::ProviderMessage>> MakeProviderConnector(RpcClient& client) {
  return std::make_unique<CallConnector<v1::ShimMessage, v1::ProviderMessage>>(client.impl(),
                                                                               "/slicelet.v1.Provider/Sync");
}

std::unique_ptr<FrameStream> OpenProviderStream(RpcClient& client) {
  return OpenFrameStream(client.impl(), "/slicelet.v1.Provider/Stream");
}

}  // namespace slicelet
