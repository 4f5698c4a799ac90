#include "kubelet-shim/node/node_lease.h"

#include <utility>

#include "common/log/log.h"
#include "kube/object.h"

namespace slicelet::shim {
namespace {

constexpr char kNamespace[] = "kube-node-lease";

}  // namespace

NodeLease::NodeLease(std::string node, Duration duration, Loop& loop, Clock& clock, Random& random,
                     kube::KubeApi& api)
    : node_(std::move(node)),
      duration_(duration),
      loop_(loop),
      clock_(clock),
      random_(random),
      api_(api),
      backoff_(kBackoff, random),
      timer_(loop) {}

void NodeLease::Start() { Read(); }

void NodeLease::Stop() {
  lifetime_ = std::make_unique<Lifetime>();
  timer_.Cancel();
}

void NodeLease::Read() {
  api_.Get({kube::kLeases, kNamespace, node_, ""},
           lifetime_->Guard([this](absl::StatusOr<kube::Json> answer) {
             if (absl::IsNotFound(answer.status())) return Create();
             if (!answer.ok()) return RetryLater(answer.status());
             lease_ = *std::move(answer);
             // Before it is renewed: a lease that went back in time is evidence of a restored cluster.
             version_ = kube::VersionNumber(kube::ResourceVersionOf(lease_));
             Renew();
           }));
}

void NodeLease::Create() {
  kube::Json lease = {{"metadata", {{"name", node_}, {"namespace", kNamespace}}}};
  Fill(lease);
  api_.Create({kube::kLeases, kNamespace, node_, ""}, lease,
              lifetime_->Guard([this](absl::StatusOr<kube::Json> answer) { OnAnswer(std::move(answer)); }));
}

void NodeLease::Renew() {
  if (lease_.is_null()) return Read();
  kube::Json lease = lease_;
  Fill(lease);
  api_.Update({kube::kLeases, kNamespace, node_, ""}, lease,
              lifetime_->Guard([this](absl::StatusOr<kube::Json> answer) { OnAnswer(std::move(answer)); }));
}

void NodeLease::OnAnswer(absl::StatusOr<kube::Json> answer) {
  if (!answer.ok()) {
    // Whatever it was (deleted, changed by another, no answer): what we remember may be wrong.
    lease_ = nullptr;
    return RetryLater(answer.status());
  }
  backoff_.Reset();
  lease_ = *std::move(answer);
  version_ = kube::VersionNumber(kube::ResourceVersionOf(lease_));
  const Duration period = duration_ / 4;
  const auto spread = std::chrono::duration_cast<Duration>(period * kJitter);
  timer_.Set(period + random_.Below(spread + Duration(1)), [this] { Renew(); });
}

void NodeLease::RetryLater(const absl::Status& status) {
  if (!absl::IsNotFound(status) && !absl::IsAborted(status)) {
    LogWarning("cannot renew the node lease", {{"node", node_}, {"error", Describe(status)}});
  }
  timer_.Set(backoff_.Next(), [this] { Read(); });
}

void NodeLease::Fill(kube::Json& lease) const {
  auto& spec = lease["spec"];
  spec["holderIdentity"] = node_;
  spec["leaseDurationSeconds"] = std::chrono::duration_cast<std::chrono::seconds>(duration_).count();
  spec["renewTime"] = FormatMicroTime(clock_.Now());
  if (owner_.empty()) return;
  lease["metadata"]["ownerReferences"] = {
      {{"apiVersion", "v1"}, {"kind", "Node"}, {"name", node_}, {"uid", owner_}}};
}

}  // namespace slicelet::shim
