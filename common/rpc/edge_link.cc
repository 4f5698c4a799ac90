#include "common/rpc/edge_link.h"

#include "common/rpc/internal/call_pipe.h"
#include "common/rpc/internal/call_stream.h"
#include "common/rpc/internal/server_call.h"
#include "slicelet/v1/link.grpc.pb.h"

namespace slicelet {
namespace {

constexpr char kSessionMethod[] = "/slicelet.v1.EdgeLink/Session";
constexpr char kTunnelMethod[] = "/slicelet.v1.EdgeLink/Tunnel";

}  // namespace

/// Touched on the loop only.
struct EdgeLinkService::State {
  explicit State(Loop& loop) : loop(loop) {}
  Loop& loop;
  CallAcceptor<v1::HubMessage, v1::HostMessage> acceptor;
  OnTunnel on_tunnel;
};

namespace {

/// What one listener registers. `State` is private to the service, hence the template.
template <typename State>
class Bound final : public v1::EdgeLink::CallbackService {
 public:
  Bound(std::shared_ptr<State> state, LiveCalls& calls, RpcService::Authorize authorize)
      : state_(std::move(state)), calls_(calls), authorize_(std::move(authorize)) {}

  grpc::ServerBidiReactor<v1::HostMessage, v1::HubMessage>* Session(
      grpc::CallbackServerContext* context) override {
    using Call = ServerCall<v1::HubMessage, v1::HostMessage>;
    return Call::Serve(state_->loop, calls_, context, kSessionMethod, authorize_,
                       [state = state_](auto call, const RpcPeer& peer) {
                         state->acceptor.Accept(state->loop, std::move(call), peer.common_name);
                       });
  }

  grpc::ServerBidiReactor<v1::StreamFrame, v1::StreamFrame>* Tunnel(
      grpc::CallbackServerContext* context) override {
    using Call = ServerCall<v1::StreamFrame, v1::StreamFrame>;
    return Call::Serve(state_->loop, calls_, context, kTunnelMethod, authorize_,
                       [state = state_](auto call, const RpcPeer& peer) {
                         if (!state->on_tunnel) return call->End(absl::UnimplementedError("no streams here"));
                         state->on_tunnel(MakeCallStream(state->loop, std::move(call)), peer.common_name);
                       });
  }

 private:
  const std::shared_ptr<State> state_;
  LiveCalls& calls_;
  const RpcService::Authorize authorize_;
};

}  // namespace

EdgeLinkService::EdgeLinkService(Loop& loop) : state_(std::make_shared<State>(loop)) {}
EdgeLinkService::~EdgeLinkService() = default;

Acceptor<v1::HubMessage, v1::HostMessage>& EdgeLinkService::sessions() { return state_->acceptor; }

void EdgeLinkService::ServeTunnels(OnTunnel on_tunnel) { state_->on_tunnel = std::move(on_tunnel); }

std::shared_ptr<grpc::Service> EdgeLinkService::Bind(LiveCalls& calls, Authorize authorize) {
  return std::make_shared<Bound<State>>(state_, calls, std::move(authorize));
}

}  // namespace slicelet
