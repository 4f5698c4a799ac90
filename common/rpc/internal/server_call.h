#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <mutex>
#include <utility>

#include "common/log/log.h"
#include "common/loop/loop.h"
#include "common/rpc/internal/bidi_call.h"
#include "common/rpc/internal/live_calls.h"
#include "common/rpc/internal/peer.h"
#include "common/rpc/rpc_server.h"

namespace slicelet {

/// OK when `authorize` lets the peer in; a refusal is logged.
inline absl::Status Admit(const RpcService::Authorize& authorize, const RpcPeer& peer,
                          const std::string& method) {
  if (!authorize) return absl::OkStatus();
  auto status = authorize(peer);
  if (!status.ok()) {
    LogWarning("refused a call", {{"method", method}, {"peer", peer.common_name}, {"why", Message(status)}});
  }
  return status;
}

/// The serving side of a bidirectional call. Made on a thread of gRPC's by `Serve`; everything else is on the
/// loop.
template <typename Out, typename In>
class ServerCall final : public BidiCall<Out, In>,
                         public LiveCall,
                         private grpc::ServerBidiReactor<In, Out>,
                         public std::enable_shared_from_this<ServerCall<Out, In>> {
 public:
  using OnCall = std::function<void(std::shared_ptr<BidiCall<Out, In>>, const RpcPeer&)>;

  ServerCall(Loop& loop, LiveCalls& calls, grpc::CallbackServerContext* context)
      : loop_(loop), calls_(calls), context_(context) {}

  /// Hands the call to `on_call` on the loop, if the peer is let in.
  static grpc::ServerBidiReactor<In, Out>* Serve(Loop& loop, LiveCalls& calls,
                                                 grpc::CallbackServerContext* context,
                                                 const std::string& method,
                                                 const RpcService::Authorize& authorize, OnCall on_call) {
    auto call = std::make_shared<ServerCall>(loop, calls, context);
    grpc::ServerBidiReactor<In, Out>* reactor = call.get();
    if (!calls.Add(call)) {
      call->ended_ = true;
      call->Finish(ToGrpc(absl::UnavailableError("the server is shutting down")));
      return reactor;
    }
    auto peer = PeerOf(*context->auth_context());
    peer.local = !authorize;
    loop.Post([call, peer = std::move(peer), method, authorize, on_call = std::move(on_call)] {
      if (call->ended_) return;
      if (const auto status = Admit(authorize, peer, method); !status.ok()) return call->End(status);
      on_call(call, peer);
    });
    return reactor;
  }

  void Read() override {
    if (ended_ || reading_) return;
    reading_ = true;
    this->StartRead(&in_);
  }

  void Write(Out message) override {
    if (ended_) return;
    out_ = std::move(message);
    this->StartWrite(&out_);
  }

  void End(absl::Status status) override {
    if (std::exchange(ended_, true)) return;
    this->Finish(ToGrpc(status));
    if (status.ok()) return;
    // gRPC sends a status behind all that was written: to a peer that does not read, never.
    lingering_ = loop_.RunAfter(kRpcLinger, [weak = this->weak_from_this()] {
      if (const auto self = weak.lock()) self->Cancel();
    });
  }

  void Abort() override { End(absl::UnavailableError("the server is shutting down")); }

 private:
  void OnReadDone(bool ok) override {
    loop_.Post([self = this->shared_from_this(), ok] {
      self->reading_ = false;
      // The peer ended, or it broke off: only the end of the call tells which.
      if (!ok) return self->End(absl::OkStatus());
      if (!self->ended_) self->NotifyRead(std::move(self->in_));
    });
  }

  void OnWriteDone(bool ok) override {
    loop_.Post([self = this->shared_from_this(), ok] {
      self->NotifyWritten(ok);
      if (!ok) self->Over(absl::CancelledError("the peer is gone"));
    });
  }

  void OnCancel() override {
    loop_.Post([self = this->shared_from_this()] { self->Over(absl::CancelledError("the peer is gone")); });
  }

  void OnDone() override {
    absl::Status status;
    {
      const std::lock_guard lock(done_mutex_);
      done_ = true;
      if (context_->IsCancelled()) status = absl::CancelledError("the peer is gone");
    }
    loop_.Post([self = this->shared_from_this(), status] {
      self->loop_.Cancel(self->lingering_);
      self->Over(status);
    });
    calls_.Remove(this);
  }

  void Cancel() {
    // gRPC waits here before it destroys the context.
    const std::lock_guard lock(done_mutex_);
    if (!done_) context_->TryCancel();
  }

  /// The peer ended or is gone: so does our side.
  void Over(const absl::Status& status) {
    if (std::exchange(over_, true)) return;
    const auto self = this->shared_from_this();
    this->NotifyOver(status);
    End(absl::OkStatus());
  }

  Loop& loop_;
  LiveCalls& calls_;
  grpc::CallbackServerContext* const context_;
  In in_;
  Out out_;
  bool reading_ = false;
  bool ended_ = false;
  bool over_ = false;
  Loop::TimerId lingering_ = 0;
  std::mutex done_mutex_;
  bool done_ = false;
};

}  // namespace slicelet
