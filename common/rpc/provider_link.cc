#include "common/rpc/provider_link.h"

#include "common/rpc/internal/call_pipe.h"
#include "common/rpc/internal/call_stream.h"
#include "common/rpc/internal/server_call.h"
#include "slicelet/v1/provider.grpc.pb.h"

namespace slicelet {
namespace {

constexpr char kSyncMethod[] = "/slicelet.v1.Provider/Sync";
constexpr char kStreamMethod[] = "/slicelet.v1.Provider/Stream";

}  // namespace

/// Touched on the loop only.
struct ProviderService::State {
  explicit State(Loop& loop) : loop(loop) {}
  Loop& loop;
  CallAcceptor<v1::ProviderMessage, v1::ShimMessage> acceptor;
  OnStream on_stream;
};

namespace {

/// What one listener registers. `State` is private to the service, hence the template.
template <typename State>
class Bound final : public v1::Provider::CallbackService {
 public:
  Bound(std::shared_ptr<State> state, LiveCalls& calls, RpcService::Authorize authorize)
      : state_(std::move(state)), calls_(calls), authorize_(std::move(authorize)) {}

  grpc::ServerBidiReactor<v1::ShimMessage, v1::ProviderMessage>* Sync(
      grpc::CallbackServerContext* context) override {
    using Call = ServerCall<v1::ProviderMessage, v1::ShimMessage>;
    return Call::Serve(state_->loop, calls_, context, kSyncMethod, authorize_,
                       [state = state_](auto call, const RpcPeer& peer) {
                         state->acceptor.Accept(state->loop, std::move(call), peer.common_name);
                       });
  }

  grpc::ServerBidiReactor<v1::StreamFrame, v1::StreamFrame>* Stream(
      grpc::CallbackServerContext* context) override {
    using Call = ServerCall<v1::StreamFrame, v1::StreamFrame>;
    return Call::Serve(state_->loop, calls_, context, kStreamMethod, authorize_,
                       [state = state_](auto call, const RpcPeer&) {
                         if (!state->on_stream) return call->End(absl::UnimplementedError("no streams here"));
                         state->on_stream(MakeCallStream(state->loop, std::move(call)));
                       });
  }

 private:
  const std::shared_ptr<State> state_;
  LiveCalls& calls_;
  const RpcService::Authorize authorize_;
};

}  // namespace

ProviderService::ProviderService(Loop& loop) : state_(std::make_shared<State>(loop)) {}
ProviderService::~ProviderService() = default;

Acceptor<v1::ProviderMessage, v1::ShimMessage>& ProviderService::shims() { return state_->acceptor; }

void ProviderService::ServeStreams(OnStream on_stream) { state_->on_stream = std::move(on_stream); }

std::shared_ptr<grpc::Service> ProviderService::Bind(LiveCalls& calls, Authorize authorize) {
  return std::make_shared<Bound<State>>(state_, calls, std::move(authorize));
}

}  // namespace slicelet
