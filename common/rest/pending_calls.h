#pragma once

#include <pplx/pplxcancellation_token.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "common/base/status.h"
#include "common/base/time.h"
#include "common/loop/loop.h"
#include "common/rest/cpprest.h"

namespace slicelet {

/// Requests of cpprestsdk that are under way. Each is answered once, on the loop: by the library's threads,
/// which know only what `Begin` returned, or at its deadline. None is answered after the destruction, which
/// cancels them all.
template <typename T>
class PendingCalls {
 public:
  struct Call {
    /// From any thread, also when nobody waits any more.
    std::function<void(absl::StatusOr<T>)> finish;
    pplx::cancellation_token_source cancel;
  };

  PendingCalls(Loop& loop, Duration deadline)
      : loop_(loop), deadline_(deadline), shared_(std::make_shared<Shared>(loop)) {}
  PendingCalls(const PendingCalls&) = delete;
  PendingCalls& operator=(const PendingCalls&) = delete;
  ~PendingCalls() {
    shared_->gate.Close();
    for (const auto& [id, pending] : std::exchange(shared_->pending, {})) pending->cancel.cancel();
  }

  [[nodiscard]] bool empty() const { return shared_->pending.empty(); }

  /// Whoever has no whole answer at the deadline gets Unavailable with `late`.
  Call Begin(Callback<T> done, const std::string& late) {
    const std::uint64_t id = next_id_++;
    const auto pending = std::make_shared<Pending>(loop_, std::move(done));
    shared_->pending.emplace(id, pending);
    pending->deadline.Set(deadline_, [weak = std::weak_ptr<Shared>(shared_), id, late] {
      const auto shared = weak.lock();
      if (shared == nullptr) return;
      const auto overdue = shared->pending.at(id);
      // Before the library says of it that it was cancelled.
      shared->Finish(id, absl::UnavailableError(late));
      overdue->cancel.cancel();
    });
    return {.finish =
                [shared = shared_, id](absl::StatusOr<T> answer) {
                  auto held = std::make_shared<absl::StatusOr<T>>(std::move(answer));
                  shared->gate.Post([weak = std::weak_ptr<Shared>(shared), id, held] {
                    if (const auto alive = weak.lock()) alive->Finish(id, std::move(*held));
                  });
                },
            .cancel = pending->cancel};
  }

 private:
  struct Pending {
    Pending(Loop& loop, Callback<T> done) : done(std::move(done)), deadline(loop) {}
    Callback<T> done;
    pplx::cancellation_token_source cancel;
    Timer deadline;
  };
  /// Of the loop, but for the gate.
  struct Shared {
    explicit Shared(Loop& loop) : gate(loop) {}
    void Finish(std::uint64_t id, absl::StatusOr<T> answer) {
      const auto it = pending.find(id);
      if (it == pending.end()) return;
      const auto done = std::move(it->second->done);
      pending.erase(it);
      done(std::move(answer));
    }
    LoopGate gate;
    std::map<std::uint64_t, std::shared_ptr<Pending>> pending;
  };

  Loop& loop_;
  const Duration deadline_;
  const std::shared_ptr<Shared> shared_;
  std::uint64_t next_id_ = 1;
};

}  // namespace slicelet
