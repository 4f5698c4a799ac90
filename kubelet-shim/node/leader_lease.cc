#include "kubelet-shim/node/leader_lease.h"

#include <algorithm>
#include <utility>

#include "common/log/log.h"
#include "kube/object.h"

namespace slicelet::shim {

using kube::Json;

LeaderLease::LeaderLease(Options options, Loop& loop, Clock& clock, Random& random, kube::KubeApi& api,
                         Handler handler)
    : options_(std::move(options)),
      loop_(loop),
      clock_(clock),
      random_(random),
      api_(api),
      handler_(std::move(handler)),
      ref_{kube::kLeases, options_.ns, options_.name, ""},
      highest_(options_.floor),
      timer_(loop),
      deadline_(loop) {}

void LeaderLease::Start() { Try(); }

void LeaderLease::Try() {
  if (stopped_) return;
  api_.Get(ref_, lifetime_.Guard([this](absl::StatusOr<Json> answer) {
    if (stopped_) return;
    if (absl::IsNotFound(answer.status())) return Create();
    if (!answer.ok()) {
      LogWarning("cannot read the leader lease",
                 {{"lease", options_.name}, {"error", Describe(answer.status())}});
      return TryLater();
    }
    const std::string holder = kube::TextAt(*answer, {"spec", "holderIdentity"});
    const std::string version = kube::ResourceVersionOf(*answer);
    if (version != seen_version_) {
      if (!holder.empty() && holder != options_.identity && seen_version_.empty()) {
        LogInfo("another shim leads, waiting", {{"lease", options_.name}, {"holder", holder}});
      }
      seen_version_ = version;
      seen_at_ = loop_.Now();
    }
    const auto seconds = std::chrono::seconds(kube::IntegerAt(*answer, {"spec", "leaseDurationSeconds"}, 15));
    const bool expired = loop_.Now() - seen_at_ >= seconds;
    if (holder.empty() || holder == options_.identity || expired) return Take(*std::move(answer));
    TryLater();
  }));
}

void LeaderLease::Create() {
  asked_at_ = loop_.Now();
  api_.Create(ref_,
              Filled({{"metadata", {{"name", options_.name}, {"namespace", options_.ns}}}},
                     static_cast<std::int64_t>(highest_) + 1),
              lifetime_.Guard([this](absl::StatusOr<Json> answer) { OnTaken(std::move(answer)); }));
}

void LeaderLease::Take(Json lease) {
  const std::int64_t transitions =
      std::max(kube::IntegerAt(lease, {"spec", "leaseTransitions"}, 0), static_cast<std::int64_t>(highest_)) +
      1;
  asked_at_ = loop_.Now();
  api_.Update(ref_, Filled(std::move(lease), transitions),
              lifetime_.Guard([this](absl::StatusOr<Json> answer) { OnTaken(std::move(answer)); }));
}

void LeaderLease::OnTaken(absl::StatusOr<Json> answer) {
  if (stopped_) return;
  if (!answer.ok()) {
    LogWarning("cannot take the leader lease",
               {{"lease", options_.name}, {"error", Describe(answer.status())}});
    return TryLater();
  }
  lease_ = *std::move(answer);
  incarnation_ = static_cast<std::uint64_t>(kube::IntegerAt(lease_, {"spec", "leaseTransitions"}, 1));
  highest_ = std::max(highest_, incarnation_);
  renewed_at_ = asked_at_;
  deadline_.Set(renewed_at_ + options_.duration * 2 / 3 - loop_.Now(),
                [this] { Lose("not renewed in time"); });
  timer_.Set(options_.duration / 5, [this] { Renew(); });
  LogInfo("this shim leads", {{"lease", options_.name}, {"incarnation", incarnation_}});
  if (handler_.on_acquired) handler_.on_acquired(incarnation_);
}

void LeaderLease::Renew() {
  Json lease = Filled(lease_, static_cast<std::int64_t>(incarnation_));
  asked_at_ = loop_.Now();
  api_.Update(ref_, lease, lifetime_.Guard([this, of = incarnation_](const absl::StatusOr<Json>& answer) {
    OnRenewed(of, answer);
  }));
}

void LeaderLease::OnRenewed(std::uint64_t incarnation, const absl::StatusOr<Json>& answer) {
  if (!held() || incarnation != incarnation_) return;
  if (answer.ok()) {
    lease_ = *answer;
    renewed_at_ = asked_at_;
    deadline_.Set(renewed_at_ + options_.duration * 2 / 3 - loop_.Now(),
                  [this] { Lose("not renewed in time"); });
    timer_.Set(options_.duration / 5, [this] { Renew(); });
    return;
  }
  if (absl::IsNotFound(answer.status())) return Lose("the lease was deleted");
  timer_.Set(options_.duration / 15, [this, incarnation] {
    api_.Get(ref_, lifetime_.Guard([this, incarnation](const absl::StatusOr<Json>& now) {
      if (!held() || incarnation != incarnation_) return;
      if (!now.ok()) return OnRenewed(incarnation, now);
      const bool ours =
          kube::TextAt(*now, {"spec", "holderIdentity"}) == options_.identity &&
          kube::IntegerAt(*now, {"spec", "leaseTransitions"}, 0) == static_cast<std::int64_t>(incarnation_);
      if (!ours) return Lose("taken by " + kube::TextAt(*now, {"spec", "holderIdentity"}));
      lease_ = *now;
      Renew();
    }));
  });
}

void LeaderLease::Lose(const std::string& reason) {
  incarnation_ = 0;
  deadline_.Cancel();
  seen_version_.clear();
  LogWarning("this shim no longer leads", {{"lease", options_.name}, {"reason", reason}});
  TryLater();
  if (handler_.on_lost) handler_.on_lost(reason);
}

void LeaderLease::TryLater() {
  const Duration wait = options_.duration / 15;
  timer_.Set(wait + random_.Below(wait), [this] { Try(); });
}

Json LeaderLease::Filled(Json lease, std::int64_t transitions) const {
  auto& spec = lease["spec"];
  const std::string now = FormatMicroTime(clock_.Now());
  if (kube::IntegerAt(lease, {"spec", "leaseTransitions"}, 0) != transitions) spec["acquireTime"] = now;
  spec["holderIdentity"] = options_.identity;
  spec["leaseTransitions"] = transitions;
  spec["leaseDurationSeconds"] = std::chrono::duration_cast<std::chrono::seconds>(options_.duration).count();
  spec["renewTime"] = now;
  return lease;
}

void LeaderLease::Release(std::function<void()> done) {
  stopped_ = true;
  timer_.Cancel();
  deadline_.Cancel();
  if (!held()) return loop_.Post(std::move(done));
  Json lease = Filled(lease_, static_cast<std::int64_t>(incarnation_));
  incarnation_ = 0;
  lease["spec"]["holderIdentity"] = "";
  lease["spec"]["leaseDurationSeconds"] = 1;
  api_.Update(ref_, lease,
              lifetime_.Guard([done = std::move(done)](const absl::StatusOr<Json>&) { done(); }));
}

}  // namespace slicelet::shim
