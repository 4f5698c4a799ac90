#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "common/base/backoff.h"
#include "common/loop/loop.h"
#include "kube/kube_api.h"

namespace slicelet::shim {

/// Renews kube-node-lease/NODE: the node's proof of life (kubernetes.md 1.3). Says that the shim lives, never
/// that the host does.
class NodeLease {
 public:
  static constexpr double kJitter = 0.04;
  static constexpr Backoff::Options kBackoff{std::chrono::milliseconds(100), std::chrono::seconds(7)};

  /// All must outlive it.
  NodeLease(std::string node, Duration duration, Loop& loop, Clock& clock, Random& random,
            kube::KubeApi& api);

  void Start();
  /// It is not renewed any more; `Start` begins anew.
  void Stop();
  /// The Node object's uid, which owns the lease; a change is written with the next renewal.
  void SetOwner(const std::string& node_uid) { owner_ = node_uid; }
  /// resourceVersion of the lease as last read or written, 0 before.
  [[nodiscard]] std::uint64_t resource_version() const { return version_; }

 private:
  void Renew();
  void Create();
  void Read();
  void OnAnswer(absl::StatusOr<kube::Json> answer);
  void Fill(kube::Json& lease) const;
  void RetryLater(const absl::Status& status);

  const std::string node_;
  const Duration duration_;
  Loop& loop_;
  Clock& clock_;
  Random& random_;
  kube::KubeApi& api_;
  std::string owner_;
  /// As the API server has it; null while unknown.
  kube::Json lease_;
  std::uint64_t version_ = 0;
  Backoff backoff_;
  Timer timer_;
  /// Anew with each Stop: what was asked before it is not heard.
  std::unique_ptr<Lifetime> lifetime_ = std::make_unique<Lifetime>();
};

}  // namespace slicelet::shim
