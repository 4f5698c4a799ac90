#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "common/base/backoff.h"
#include "common/base/random.h"
#include "common/loop/loop.h"
#include "kubelet-shim/shim/shim.h"
#include "slicelet/v1/provider.pb.h"

namespace slicelet::shim {

/// The shim's one connection to the provider, made anew whenever it breaks.
///
///   connecting --Hello/HelloAck--> ready --break--> [wait] --> connecting
///        \--HelloAck{refused}--> refused (for good: the owner decides)
///
/// Waits by full jitter, 100 ms to 10 s: both ends are usually on one machine. A provider that does not
/// answer Hello in time counts as broken.
class ProviderSession {
 public:
  static constexpr Backoff::Options kBackoff{std::chrono::milliseconds(100), std::chrono::seconds(10)};
  static constexpr Duration kHelloTimeout = std::chrono::seconds(30);
  /// A session that held this long forgets former failures.
  static constexpr Duration kHealthy = std::chrono::seconds(60);

  struct Handler {
    /// The provider accepted us and knows nothing yet.
    std::function<void()> on_ready;
    /// Only while ready.
    std::function<void(v1::ProviderMessage)> on_message;
    std::function<void()> on_lost;
    /// The provider has heard of a newer shim, of incarnation `highest`. May destroy the session.
    std::function<void(std::uint64_t highest)> on_refused;
  };

  ProviderSession(Loop& loop, Random& random, Shim::ProviderConnector& provider, v1::Hello hello,
                  Handler handler);

  void Start() { Connect(); }
  /// Dropped unless ready: everything is sent again after `on_ready`.
  void Send(v1::ShimMessage message);
  [[nodiscard]] bool ready() const { return ready_; }

 private:
  void Connect();
  void OnMessage(v1::ProviderMessage message);
  void OnHelloAck(const v1::HelloAck& ack);
  void OnClosed(const absl::Status& status);
  void DropPipe();

  Loop& loop_;
  Shim::ProviderConnector& provider_;
  const v1::Hello hello_;
  const Handler handler_;
  Backoff backoff_;
  Timer timer_;
  std::unique_ptr<Shim::ProviderConnector::Pipe> pipe_;
  MonotonicTime ready_since_{};
  bool ready_ = false;
  Lifetime lifetime_;
};

}  // namespace slicelet::shim
