#pragma once

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "common/base/status.h"
#include "common/base/time.h"
#include "common/loop/loop.h"

namespace slicelet::agent {

/// The calls that gRPC's threads still work on, so that whoever owns them can cancel them and wait.
/// Thread-safe.
///
/// It owns their contexts, because a context holds a reference to its channel, and the last channel of a
/// process must not die on a thread of gRPC's: its destructor joins these very threads, fails to join itself
/// and frees the queue that it then goes on to read. `CancelAndWait` returns when no context is left.
class PendingCalls {
 public:
  /// The context of a new call; null after `CancelAndWait`: the call must not be made.
  grpc::ClientContext* Begin();
  /// The last thing a call does: destroys its context, then runs `last_words`.
  void End(grpc::ClientContext* context, const std::function<void()>& last_words);
  void CancelAndWait();

 private:
  std::mutex mutex_;
  std::condition_variable empty_;
  std::unordered_map<grpc::ClientContext*, std::unique_ptr<grpc::ClientContext>> contexts_;
  int ending_ = 0;
  bool closed_ = false;
};

/// Makes unary calls whose answers arrive on the loop. All of it is used on the loop, but for what gRPC's
/// threads do. Destroying it cancels what is under way; then nothing is answered any more.
class Caller {
 public:
  /// `convert` makes a call's status one of ours, on a thread of gRPC's.
  Caller(Loop& loop, absl::Status (*convert)(const grpc::Status&)) : loop_(loop), convert_(convert) {}
  ~Caller() { pending_.CancelAndWait(); }

  /// `start` begins the call on a stub: (context, request, response, callback). `done` gets the status and
  /// the response, which lives as long as the call of `done`. What `done` holds, a channel perhaps, outlives
  /// the call and dies on the loop.
  template <typename Request, typename Response, typename Start>
  void Call(Start start, Request request, Duration timeout,
            std::function<void(absl::Status, Response&)> done) {
    struct State {
      Request request;
      Response response;
      absl::Status status;
    };
    auto* context = pending_.Begin();
    if (context == nullptr) return;
    context->set_deadline(std::chrono::system_clock::now() +
                          std::chrono::duration_cast<std::chrono::system_clock::duration>(timeout));
    auto state = std::make_shared<State>();
    state->request = std::move(request);
    Loop::Task finish =
        lifetime_.Guard([state, done = std::move(done)] { done(state->status, state->response); });
    auto* raw = state.get();
    start(context, &raw->request, &raw->response,
          [this, context, raw, finish = std::move(finish)](const grpc::Status& status) mutable {
            raw->status = convert_(status);
            pending_.End(context, [this, &finish] { loop_.Post(std::move(finish)); });
          });
  }

  PendingCalls& pending() { return pending_; }
  [[nodiscard]] const Lifetime& lifetime() const { return lifetime_; }
  Loop& loop() { return loop_; }

 private:
  Loop& loop_;
  absl::Status (*const convert_)(const grpc::Status&);
  PendingCalls pending_;
  Lifetime lifetime_;
};

}  // namespace slicelet::agent
