#pragma once

#include <functional>
#include <string>

#include "common/base/backoff.h"
#include "common/loop/loop.h"
#include "kube/kube_api.h"

namespace slicelet::shim {

/// The CA bundle of the kubelet API's clients, as the cluster publishes it: key client-ca-file of the
/// ConfigMap kube-system/extension-apiserver-authentication. (Its request-header CA is for aggregated API
/// servers and never used.) Read until it succeeds, then again every hour, because clusters rotate it.
class PublishedClientCa {
 public:
  static constexpr auto kRefresh = std::chrono::hours(1);

  /// `on_bundle` gets the PEM text whenever it was read; an error from it counts as a failed attempt.
  PublishedClientCa(Loop& loop, Random& random, kube::KubeApi& kube,
                    std::function<absl::Status(const std::string& pem)> on_bundle);

  void Start();

 private:
  absl::Status Take(const absl::StatusOr<kube::Json>& config_map);

  kube::KubeApi& kube_;
  const std::function<absl::Status(const std::string&)> on_bundle_;
  Backoff backoff_;
  Timer next_;
  Lifetime lifetime_;
};

}  // namespace slicelet::shim
