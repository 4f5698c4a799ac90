#pragma once

#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "common/loop/loop.h"
#include "common/rpc/internal/bidi_call.h"
#include "common/rpc/internal/live_calls.h"
#include "common/rpc/internal/server_call.h"

namespace slicelet {

/// One request and one reply, answered on the loop.
class UnaryCall final : public LiveCall, private grpc::ServerUnaryReactor {
 public:
  /// Runs `handle` on the loop, if the peer is let in, and finishes with its status.
  static grpc::ServerUnaryReactor* Serve(Loop& loop, LiveCalls& calls, const grpc::AuthContext& context,
                                         const std::string& method, const RpcService::Authorize& authorize,
                                         std::function<absl::Status()> handle) {
    const auto call = std::make_shared<UnaryCall>(calls);
    if (!calls.Add(call)) {
      call->Abort();
      return call.get();
    }
    loop.Post([call, peer = PeerOf(context), method, authorize, handle = std::move(handle)] {
      if (call->ended_) return;
      auto status = Admit(authorize, peer, method);
      if (status.ok()) status = handle();
      call->End(status);
    });
    return call.get();
  }

  explicit UnaryCall(LiveCalls& calls) : calls_(calls) {}

  void Abort() override { End(absl::UnavailableError("the server is shutting down")); }

 private:
  void End(const absl::Status& status) {
    if (std::exchange(ended_, true)) return;
    Finish(ToGrpc(status));
  }

  void OnDone() override { calls_.Remove(this); }

  LiveCalls& calls_;
  bool ended_ = false;
};

}  // namespace slicelet
