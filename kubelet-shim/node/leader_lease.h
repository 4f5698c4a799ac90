#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "common/base/backoff.h"
#include "common/loop/loop.h"
#include "kube/kube_api.h"

namespace slicelet::shim {

/// One active shim per hub: a lease whose leaseTransitions is the incarnation.
///
/// Every acquisition raises leaseTransitions, also the same shim's after a restart, so that no two process
/// lives share an incarnation. A foreign holder's lease counts as expired when its record has not changed for
/// its duration on our own clock; calendars are not compared. Leadership is given up two thirds into the
/// duration without a renewal, before anyone else can have it.
class LeaderLease {
 public:
  struct Options {
    std::string ns;
    std::string name;
    std::string identity;
    Duration duration = std::chrono::seconds(15);
    /// Every incarnation is above it: known from elsewhere, should the lease itself be of a restored cluster.
    std::uint64_t floor = 0;
  };
  struct Handler {
    std::function<void(std::uint64_t incarnation)> on_acquired;
    /// May be followed by another `on_acquired`.
    std::function<void(const std::string& reason)> on_lost;
  };

  /// All must outlive it.
  LeaderLease(Options options, Loop& loop, Clock& clock, Random& random, kube::KubeApi& api, Handler handler);

  void Start();
  /// Gives the lease back, if held, so that a successor need not wait, and stops. `done` runs in any case. No
  /// `on_lost`.
  void Release(std::function<void()> done);
  [[nodiscard]] bool held() const { return incarnation_ != 0; }

 private:
  void Try();
  void Take(kube::Json lease);
  void Create();
  void Renew();
  void OnTaken(absl::StatusOr<kube::Json> answer);
  void OnRenewed(std::uint64_t incarnation, const absl::StatusOr<kube::Json>& answer);
  void Lose(const std::string& reason);
  void TryLater();
  [[nodiscard]] kube::Json Filled(kube::Json lease, std::int64_t transitions) const;

  const Options options_;
  Loop& loop_;
  Clock& clock_;
  Random& random_;
  kube::KubeApi& api_;
  const Handler handler_;
  const kube::ObjectRef ref_;
  kube::Json lease_;
  std::uint64_t incarnation_ = 0;
  /// Of this process: a deleted or restored lease may not lead back below it.
  std::uint64_t highest_;
  std::string seen_version_;
  MonotonicTime seen_at_{};
  MonotonicTime renewed_at_{};
  MonotonicTime asked_at_{};
  Timer timer_;
  Timer deadline_;
  bool stopped_ = false;
  Lifetime lifetime_;
};

}  // namespace slicelet::shim
