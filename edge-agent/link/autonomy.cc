#include "edge-agent/link/autonomy.h"

#include <algorithm>

#include "common/log/log.h"

namespace slicelet::agent {

void Autonomy::Apply(const v1::Manifest& manifest) {
  manifest_ = manifest;
  expired_.clear();
  shortest_ = Duration::zero();
  for (const auto& deployment : manifest_.deployments()) {
    if (deployment.autonomy() <= 0) continue;
    const Duration autonomy(deployment.autonomy());
    shortest_ = shortest_ == Duration::zero() ? autonomy : std::min(shortest_, autonomy);
  }
  apply_(manifest_);
  Arm();
}

void Autonomy::Heard() {
  heard_ = loop_.Now();
  if (expired_.empty()) return;
  // Whether they are still wanted here is the hub's to say: its newest manifest follows.
  expired_.clear();
  apply_(manifest_);
  Arm();
}

void Autonomy::Arm() {
  timer_.Cancel();
  Duration next = Duration::zero();
  for (const auto& deployment : manifest_.deployments()) {
    if (deployment.autonomy() <= 0 || deployment.has_stop() || expired_.count(deployment.uid()) != 0)
      continue;
    const Duration autonomy(deployment.autonomy());
    next = next == Duration::zero() ? autonomy : std::min(next, autonomy);
  }
  if (next == Duration::zero()) return;
  // Messages only move `heard_`; the timer finds out when it fires.
  timer_.Set(std::max(heard_ + next - loop_.Now(), Duration::zero()), [this] { Check(); });
}

void Autonomy::Check() {
  const Duration silence = loop_.Now() - heard_;
  bool more = false;
  for (const auto& deployment : manifest_.deployments()) {
    if (deployment.autonomy() <= 0 || deployment.has_stop() || silence < Duration(deployment.autonomy()))
      continue;
    if (!expired_.insert(deployment.uid()).second) continue;
    more = true;
    LogWarning("autonomy ran out, stopping", {{"uid", deployment.uid()}, {"pod", deployment.name()}});
  }
  if (more) {
    v1::Manifest limited = manifest_;
    for (auto& deployment : *limited.mutable_deployments()) {
      constexpr std::int64_t kGraceSeconds = 30;
      if (expired_.count(deployment.uid()) != 0) deployment.mutable_stop()->set_grace_seconds(kGraceSeconds);
    }
    apply_(limited);
  }
  Arm();
}

}  // namespace slicelet::agent
