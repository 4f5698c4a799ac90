#pragma once

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/codegen/proto_utils.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "common/loop/loop.h"
#include "common/rpc/internal/bidi_call.h"
#include "common/rpc/internal/live_calls.h"

namespace slicelet {

/// The dialling side of a bidirectional call.
template <typename Out, typename In>
class ClientCall final : public BidiCall<Out, In>,
                         public LiveCall,
                         private grpc::ClientBidiReactor<Out, In>,
                         public std::enable_shared_from_this<ClientCall<Out, In>> {
 public:
  /// `linger`: how long the peer may take to end an orderly ended call. Without one it takes its time: it may
  /// not have read all yet. Keepalive finds a peer that is dead.
  ClientCall(Loop& loop, LiveCalls& calls, std::shared_ptr<grpc::Channel> channel,
             std::optional<Duration> linger)
      : loop_(loop), calls_(calls), channel_(std::move(channel)), stub_(channel_), linger_(linger) {}

  void Start(const std::string& method) {
    calls_.Add(this->shared_from_this());
    stub_.PrepareBidiStreamingCall(&context_, method, {}, this);
    // Without a hold the call could end between two of our operations.
    this->AddHold();
    this->StartCall();
  }

  void Read() override {
    if (hold_released_ || reading_) return;
    reading_ = true;
    this->StartRead(&in_);
  }

  void Write(Out message) override {
    if (hold_released_ || ending_) return;
    writing_ = true;
    out_ = std::move(message);
    this->StartWrite(&out_);
  }

  void End(absl::Status status) override {
    if (ending_) return;
    if (!status.ok()) return Abort();
    ending_ = true;
    if (hold_released_) return;
    if (!writing_) this->StartWritesDone();
    // The status comes behind whatever the peer still sends.
    Read();
    if (!linger_) return;
    lingering_ = loop_.RunAfter(*linger_, [weak = this->weak_from_this()] {
      if (const auto self = weak.lock()) self->Abort();
    });
  }

  void Abort() override {
    ending_ = true;
    context_.TryCancel();
    ReleaseHold();
  }

 private:
  void OnReadDone(bool ok) override {
    loop_.Post([self = this->shared_from_this(), ok] {
      self->reading_ = false;
      if (!ok) return self->ReleaseHold();
      if (self->ending_) return self->Read();
      self->NotifyRead(std::move(self->in_));
    });
  }

  void OnWriteDone(bool ok) override {
    loop_.Post([self = this->shared_from_this(), ok] {
      self->writing_ = false;
      // The end comes behind what the peer sent before it, which reads bring.
      if (ok && self->ending_ && !self->hold_released_) self->StartWritesDone();
      self->NotifyWritten(ok);
    });
  }

  void OnDone(const grpc::Status& status) override {
    loop_.Post([self = this->shared_from_this(), status = FromGrpc(status)] {
      self->loop_.Cancel(self->lingering_);
      self->NotifyOver(status);
    });
    calls_.Remove(this);
  }

  void ReleaseHold() {
    if (std::exchange(hold_released_, true)) return;
    this->RemoveHold();
  }

  Loop& loop_;
  LiveCalls& calls_;
  const std::shared_ptr<grpc::Channel> channel_;
  grpc::TemplatedGenericStub<Out, In> stub_;
  const std::optional<Duration> linger_;
  grpc::ClientContext context_;
  In in_;
  Out out_;
  bool reading_ = false;
  bool writing_ = false;
  bool ending_ = false;
  bool hold_released_ = false;
  Loop::TimerId lingering_ = 0;
};

}  // namespace slicelet
