#pragma once

#include <map>
#include <string>
#include <utility>

#include "common/loop/loop.h"
#include "edge-agent/probes/prober.h"

namespace slicelet::agent {

/// Answers network checks as the test says: by port, OK unless set otherwise.
class FakeProber : public Prober {
 public:
  explicit FakeProber(Loop& loop) : loop_(loop) {}

  void Set(std::int32_t port, absl::Status result) { results_[port] = std::move(result); }
  /// Answers only at the timeout.
  void Hang(std::int32_t port, bool hang = true) { hangs_[port] = hang; }
  [[nodiscard]] int checks() const { return checks_; }

  void Check(const v1::Handler& handler, const std::string&, Duration timeout, StatusCallback done) override {
    ++checks_;
    std::int32_t port = 0;
    if (handler.has_http_get()) port = handler.http_get().port();
    if (handler.has_tcp_socket()) port = handler.tcp_socket().port();
    if (handler.has_grpc()) port = handler.grpc().port();
    const bool hang = hangs_[port];
    const absl::Status result =
        hang ? absl::DeadlineExceededError("context deadline exceeded") : results_[port];
    loop_.RunAfter(hang ? timeout : std::chrono::milliseconds(1),
                   [done = std::move(done), result] { done(result); });
  }

 private:
  Loop& loop_;
  std::map<std::int32_t, absl::Status> results_;
  std::map<std::int32_t, bool> hangs_;
  int checks_ = 0;
};

}  // namespace slicelet::agent
