#include "kubelet-shim/app/client_ca.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "common/json/json.h"
#include "common/log/log.h"

namespace slicelet::shim {

PublishedClientCa::PublishedClientCa(Loop& loop, Random& random, kube::KubeApi& kube,
                                     std::function<absl::Status(const std::string&)> on_bundle)
    : kube_(kube),
      on_bundle_(std::move(on_bundle)),
      backoff_({.base = std::chrono::milliseconds(200), .cap = std::chrono::seconds(30)}, random),
      next_(loop) {}

void PublishedClientCa::Start() {
  kube_.Get({kube::kConfigMaps, "kube-system", "extension-apiserver-authentication", ""},
            lifetime_.Guard([this](const absl::StatusOr<kube::Json>& config_map) {
              const auto status = Take(config_map);
              if (status.ok()) {
                backoff_.Reset();
                return next_.Set(kRefresh, [this] { Start(); });
              }
              LogWarning("cannot read the client CA of the kubelet API", {{"why", Message(status)}});
              next_.Set(backoff_.Next(), [this] { Start(); });
            }));
}

absl::Status PublishedClientCa::Take(const absl::StatusOr<kube::Json>& config_map) {
  if (!config_map.ok()) return config_map.status();
  const auto pem = GetString(*config_map, "/data/client-ca-file");
  if (pem.empty()) {
    return absl::NotFoundError(
        "ConfigMap kube-system/extension-apiserver-authentication has no client-ca-file");
  }
  return on_bundle_(pem);
}

}  // namespace slicelet::shim
