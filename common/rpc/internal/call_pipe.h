#pragma once

#include <deque>
#include <memory>
#include <utility>

#include "common/log/log.h"
#include "common/loop/loop.h"
#include "common/rpc/internal/bidi_call.h"
#include "common/rpc/rpc_options.h"
#include "common/stream/message_pipe.h"

namespace slicelet {

/// A MessagePipe over one call, of either side.
template <typename Out, typename In>
class CallPipe final : public MessagePipe<Out, In> {
 public:
  using Handler = typename MessagePipe<Out, In>::Handler;

  CallPipe(Loop& loop, std::shared_ptr<BidiCall<Out, In>> call) : loop_(loop), call_(std::move(call)) {}
  ~CallPipe() override { CallPipe::Close(); }

  /// Separate from construction, because the accepting side learns its handler from whom it gave the pipe to.
  void Start(Handler handler) {
    if (closed_) return;
    handler_ = std::move(handler);
    call_->Observe({.on_read = lifetime_.Guard([this](In message) { Receive(std::move(message)); }),
                    .on_written = lifetime_.Guard([this](bool ok) { Written(ok); }),
                    .on_over = lifetime_.Guard([this](absl::Status status) { Over(std::move(status)); })});
    call_->Read();
    SendNext();
  }

  /// Expires with the pipe.
  [[nodiscard]] std::weak_ptr<int> Watch() const { return existence_; }

  void Send(Out message) override {
    if (closed_) return;
    const std::size_t size = message.ByteSizeLong();
    if (size > kMaxRpcMessageBytes) {
      LogError("dropped a message above the link's limit", {{"bytes", static_cast<std::uint64_t>(size)}});
      return;
    }
    if (queued_bytes_ + size > kMaxRpcQueuedBytes || queue_.size() >= kMaxRpcQueuedMessages) {
      call_->End(absl::ResourceExhaustedError("the peer does not read"));
      // Not from inside the user's own call.
      loop_.Post(lifetime_.Guard([this] { Over(absl::ResourceExhaustedError("the peer does not read")); }));
      return;
    }
    queued_bytes_ += size;
    queue_.push_back(std::move(message));
    SendNext();
  }

  void Close() override {
    if (std::exchange(closed_, true)) return;
    handler_ = {};
    if (queue_.empty() && !writing_) return call_->End(absl::OkStatus());
    // What is queued leaves without us.
    Drain(call_, std::make_shared<std::deque<Out>>(std::move(queue_)), writing_);
  }

 private:
  void Receive(In message) {
    auto read_next = lifetime_.Guard([this] { call_->Read(); });
    // The handler may close or destroy this pipe.
    if (const auto on_message = handler_.on_message) on_message(std::move(message));
    read_next();
  }

  void SendNext() {
    if (writing_ || queue_.empty()) return;
    writing_ = true;
    auto message = std::move(queue_.front());
    queue_.pop_front();
    queued_bytes_ -= message.ByteSizeLong();
    call_->Write(std::move(message));
  }

  void Written(bool ok) {
    writing_ = false;
    if (ok && !closed_) SendNext();
  }

  void Over(absl::Status status) {
    if (std::exchange(closed_, true)) return;
    queue_.clear();
    call_->End(absl::OkStatus());
    // Whether a server hears first that the reading or that the call is over is chance.
    if (status.ok() || absl::IsCancelled(status)) {
      status = absl::UnavailableError("the peer closed the connection");
    }
    const auto handler = std::exchange(handler_, {});
    if (handler.on_closed) handler.on_closed(std::move(status));
  }

  static void Drain(const std::shared_ptr<BidiCall<Out, In>>& call,
                    const std::shared_ptr<std::deque<Out>>& queue, bool writing) {
    std::weak_ptr<BidiCall<Out, In>> weak = call;
    const auto next = [weak, queue] {
      const auto call = weak.lock();
      if (!call) return;
      if (queue->empty()) return call->End(absl::OkStatus());
      auto message = std::move(queue->front());
      queue->pop_front();
      call->Write(std::move(message));
    };
    call->Observe({.on_read =
                       [weak](const In&) {
                         if (const auto call = weak.lock()) call->Read();
                       },
                   .on_written =
                       [next, weak](bool ok) {
                         if (ok) return next();
                         if (const auto call = weak.lock()) call->End(absl::OkStatus());
                       },
                   .on_over = [](const absl::Status&) {}});
    if (!writing) next();
  }

  Loop& loop_;
  std::shared_ptr<BidiCall<Out, In>> call_;
  Handler handler_;
  std::deque<Out> queue_;
  std::size_t queued_bytes_ = 0;
  bool writing_ = false;
  bool closed_ = false;
  const std::shared_ptr<int> existence_ = std::make_shared<int>(0);
  Lifetime lifetime_;
};

/// The acceptor's half of a service: keeps what `Start` was given.
template <typename Out, typename In>
class CallAcceptor final : public Acceptor<Out, In> {
 public:
  void Start(typename Acceptor<Out, In>::OnAccept on_accept) override { on_accept_ = std::move(on_accept); }

  void Accept(Loop& loop, std::shared_ptr<BidiCall<Out, In>> call, const std::string& peer) {
    if (!on_accept_) return call->End(absl::UnimplementedError("nobody accepts here"));
    auto pipe = std::make_unique<CallPipe<Out, In>>(loop, std::move(call));
    auto* raw = pipe.get();
    // The receiver may destroy the pipe at once.
    const auto alive = raw->Watch();
    auto handler = on_accept_(std::move(pipe), peer);
    if (!alive.expired()) raw->Start(std::move(handler));
  }

 private:
  typename Acceptor<Out, In>::OnAccept on_accept_;
};

}  // namespace slicelet
