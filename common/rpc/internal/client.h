#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "common/rpc/internal/call_pipe.h"
#include "common/rpc/internal/call_stream.h"
#include "common/rpc/internal/client_call.h"
#include "common/rpc/internal/live_calls.h"
#include "common/rpc/rpc_client.h"

namespace slicelet {

struct RpcClient::Impl {
  Impl(Loop& loop, Options options, std::shared_ptr<grpc::ChannelCredentials> credentials)
      : loop(loop), options(std::move(options)), credentials(std::move(credentials)) {}

  /// A connection of its own; later streams use it too.
  std::shared_ptr<grpc::Channel> Redial();
  std::shared_ptr<grpc::Channel> Newest() { return channel ? channel : Redial(); }

  template <typename Out, typename In>
  std::shared_ptr<ClientCall<Out, In>> MakeCall(std::shared_ptr<grpc::Channel> on,
                                                std::optional<Duration> linger) {
    return std::make_shared<ClientCall<Out, In>>(loop, calls, std::move(on), linger);
  }

  Loop& loop;
  const Options options;
  const std::shared_ptr<grpc::ChannelCredentials> credentials;
  std::shared_ptr<grpc::Channel> channel;
  LiveCalls calls;
};

/// Sessions over a client, by the method's full name.
template <typename Out, typename In>
class CallConnector final : public Connector<Out, In> {
 public:
  CallConnector(RpcClient::Impl& client, std::string method) : client_(client), method_(std::move(method)) {}

  std::unique_ptr<MessagePipe<Out, In>> Connect(typename MessagePipe<Out, In>::Handler handler) override {
    // gRPC crashes when the last channel in use ends on one of its own threads, as an ending call's may: the
    // previous one stays until the new one is in use.
    const auto previous = client_.channel;
    const auto call = client_.MakeCall<Out, In>(client_.Redial(), kRpcLinger);
    call->Start(method_);
    auto pipe = std::make_unique<CallPipe<Out, In>>(client_.loop, call);
    pipe->Start(std::move(handler));
    return pipe;
  }

 private:
  RpcClient::Impl& client_;
  const std::string method_;
};

inline std::unique_ptr<FrameStream> OpenFrameStream(RpcClient::Impl& client, const std::string& method) {
  const auto call = client.MakeCall<v1::StreamFrame, v1::StreamFrame>(client.Newest(), std::nullopt);
  call->Start(method);
  return MakeCallStream(client.loop, call);
}

}  // namespace slicelet
