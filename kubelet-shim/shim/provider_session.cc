#include "kubelet-shim/shim/provider_session.h"

#include <utility>

#include "common/log/log.h"

namespace slicelet::shim {

ProviderSession::ProviderSession(Loop& loop, Random& random, Shim::ProviderConnector& provider,
                                 v1::Hello hello, Handler handler)
    : loop_(loop),
      provider_(provider),
      hello_(std::move(hello)),
      handler_(std::move(handler)),
      backoff_(kBackoff, random),
      timer_(loop) {}

void ProviderSession::Connect() {
  pipe_ = provider_.Connect(
      {lifetime_.Guard([this](v1::ProviderMessage message) { OnMessage(std::move(message)); }),
       lifetime_.Guard([this](const absl::Status& status) { OnClosed(status); })});
  v1::ShimMessage message;
  *message.mutable_hello() = hello_;
  pipe_->Send(std::move(message));
  timer_.Set(kHelloTimeout, [this] { OnClosed(absl::DeadlineExceededError("no HelloAck")); });
}

void ProviderSession::DropPipe() {
  ready_ = false;
  // Not now: this may run inside one of the pipe's callbacks.
  if (pipe_) loop_.Post([pipe = std::shared_ptr<Shim::ProviderConnector::Pipe>(std::move(pipe_))] {});
  pipe_.reset();
}

void ProviderSession::Send(v1::ShimMessage message) {
  if (ready_) pipe_->Send(std::move(message));
}

void ProviderSession::OnMessage(v1::ProviderMessage message) {
  if (message.has_hello_ack()) {
    OnHelloAck(message.hello_ack());
  } else if (ready_) {
    handler_.on_message(std::move(message));
  }
}

void ProviderSession::OnHelloAck(const v1::HelloAck& ack) {
  // Without a pipe it was under way when the connection was given up.
  if (ready_ || pipe_ == nullptr) return;
  timer_.Cancel();
  if (ack.refused()) {
    DropPipe();
    LogWarning("provider refused this shim", {{"hub", ack.hub_id()}, {"message", ack.message()}});
    handler_.on_refused(ack.highest_incarnation());
    return;
  }
  ready_ = true;
  ready_since_ = loop_.Now();
  LogInfo("provider session ready", {{"hub", ack.hub_id()}, {"provider", ack.incarnation()}});
  handler_.on_ready();
}

void ProviderSession::OnClosed(const absl::Status& status) {
  const bool was_ready = ready_;
  DropPipe();
  if (was_ready && loop_.Now() - ready_since_ >= kHealthy) backoff_.Reset();
  const Duration delay = backoff_.Next();
  LogWarning("provider session lost",
             {{"error", Describe(status)},
              {"retry_ms", std::chrono::duration_cast<std::chrono::milliseconds>(delay).count()}});
  timer_.Set(delay, [this] { Connect(); });
  if (was_ready) handler_.on_lost();
}

}  // namespace slicelet::shim
