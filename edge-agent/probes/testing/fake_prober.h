#pragma once

#include <map>
#include <set>
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
  /// Where something listens on this port: elsewhere no connection comes about. Unless set, everywhere.
  void ListenAt(std::int32_t port, std::set<std::string> hosts) { hosts_[port] = std::move(hosts); }
  [[nodiscard]] int checks() const { return checks_; }
  /// What the last HTTP check named as its host.
  [[nodiscard]] const std::string& host_header() const { return host_header_; }

  void Check(const v1::Handler& handler, const std::string& host, Duration timeout,
             StatusCallback done) override {
    ++checks_;
    std::int32_t port = 0;
    if (handler.has_http_get()) port = handler.http_get().port();
    if (handler.has_tcp_socket()) port = handler.tcp_socket().port();
    if (handler.has_grpc()) port = handler.grpc().port();
    if (handler.has_http_get()) {
      const auto header = handler.http_get().headers().find("Host");
      host_header_ = header == handler.http_get().headers().end() ? host : header->second;
    }
    const auto listens = hosts_.find(port);
    const bool refused = listens != hosts_.end() && listens->second.count(host) == 0;
    const bool hang = hangs_[port] && !refused;
    absl::Status result = hang ? absl::DeadlineExceededError("context deadline exceeded") : results_[port];
    if (refused) result = absl::UnavailableError("dial tcp " + host + ": connect: Connection refused");
    loop_.RunAfter(hang ? timeout : std::chrono::milliseconds(1),
                   [done = std::move(done), result] { done(result); });
  }

 private:
  Loop& loop_;
  std::map<std::int32_t, absl::Status> results_;
  std::map<std::int32_t, bool> hangs_;
  std::map<std::int32_t, std::set<std::string>> hosts_;
  std::string host_header_;
  int checks_ = 0;
};

}  // namespace slicelet::agent
