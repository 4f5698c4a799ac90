#include "provider/pods/pod_book.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>
#include <variant>

#include "common/base/encoding.h"
#include "kube/object.h"

namespace slicelet::provider {
namespace {

using Json = nlohmann::json;

constexpr std::int64_t kDefaultGraceSeconds = 30;

bool IsTerminal(const std::string& phase) { return phase == "Succeeded" || phase == "Failed"; }
bool IsTerminal(v1::Phase phase) { return phase == v1::PHASE_SUCCEEDED || phase == v1::PHASE_FAILED; }

bool SameWorkload(const std::optional<PlacedWorkload>& a, const std::optional<PlacedWorkload>& b) {
  if (a.has_value() != b.has_value()) return false;
  return !a || (a->digest == b->digest && a->role == b->role && a->priority == b->priority &&
                a->autonomy == b->autonomy && a->contents == b->contents);
}

bool SameRefusal(const std::optional<v1::Refusal>& a, const std::optional<v1::Refusal>& b) {
  if (a.has_value() != b.has_value()) return false;
  return !a || a->SerializeAsString() == b->SerializeAsString();
}

}  // namespace

Pod* PodBook::Find(const PodUid& uid) {
  const auto it = pods_.find(uid);
  return it == pods_.end() ? nullptr : &it->second;
}

const Pod* PodBook::Find(const PodUid& uid) const {
  const auto it = pods_.find(uid);
  return it == pods_.end() ? nullptr : &it->second;
}

Pod* PodBook::FindByName(const NodeName& node, const std::string& ns, const std::string& name) {
  Pod* found = nullptr;
  for (auto& [uid, pod] : pods_) {
    if (pod.ns != ns || pod.name != name || (!node.empty() && pod.node != node)) continue;
    if (found == nullptr || !pod.stop) found = &pod;
  }
  return found;
}

std::vector<Pod*> PodBook::OnNode(const NodeName& node) {
  std::vector<Pod*> found;
  for (auto& [uid, pod] : pods_) {
    if (pod.node == node) found.push_back(&pod);
  }
  return found;
}

Pod& PodBook::Learn(const NodeName& node, const v1::Deployment& deployment) {
  const auto [it, inserted] = pods_.try_emplace(PodUid(deployment.uid()));
  Pod& pod = it->second;
  if (inserted) {
    pod.uid = it->first;
    pod.node = node;
    pod.ns = deployment.namespace_();
    pod.name = deployment.name();
    pod.pod_generation = deployment.pod_generation();
  }
  if (deployment.has_stop()) Stop(pod, deployment.stop().grace_seconds());
  return pod;
}

absl::StatusOr<PodBook::Applied> PodBook::Apply(const v1::PodApply& apply) {
  const Json object = Json::parse(apply.pod(), nullptr, false);
  if (!object.is_object()) return absl::InvalidArgumentError("PodApply.pod: not a JSON object");
  const PodUid uid(kube::UidOf(object));
  if (uid.empty()) return absl::InvalidArgumentError("PodApply.pod: metadata.uid is empty");
  if (pods_.size() >= kMaxPods && pods_.count(uid) == 0) {
    return absl::ResourceExhaustedError("pod " + kube::NamespaceOf(object) + "/" + kube::NameOf(object) +
                                        ": the hub holds " + std::to_string(kMaxPods) +
                                        " pods, the most it can");
  }
  const auto [it, inserted] = pods_.try_emplace(uid);
  Pod& pod = it->second;
  const bool first = !pod.workload && !pod.refusal;
  pod.uid = uid;
  pod.node = NodeName(apply.node());
  pod.ns = kube::NamespaceOf(object);
  pod.name = kube::NameOf(object);
  pod.grace_seconds =
      kube::IntegerAt(object, {"spec", "terminationGracePeriodSeconds"}, kDefaultGraceSeconds);
  const Json* host_network = kube::Find(object, {"spec", "hostNetwork"});
  pod.host_network = host_network != nullptr && host_network->is_boolean() && host_network->get<bool>();
  pod.finished = pod.finished || IsTerminal(kube::TextAt(object, {"status", "phase"}));
  if (!pod.host_network) addresses_.Learn(uid, kube::TextAt(object, {"status", "podIP"}));

  const std::int64_t generation = kube::IntegerAt(object, {"metadata", "generation"}, 0);
  std::set<ContentId> references;
  for (const std::string& id : apply.references()) references.insert(ContentId(id));
  std::optional<PlacedWorkload> workload;
  std::optional<v1::Refusal> refusal;
  Applied applied{&pod, false, {}};
  auto translated = Translate(object, {apply.environment().begin(), apply.environment().end()}, translate_);
  if (auto* translation = std::get_if<Translation>(&translated)) {
    workload.emplace();
    workload->bytes = SerializeWorkload(translation->workload);
    workload->digest = Sha256(workload->bytes);
    workload->role = translation->role;
    workload->priority = translation->priority;
    workload->autonomy = translation->autonomy;
    workload->contents = std::move(translation->contents);
    if (first) applied.ignored = std::move(translation->ignored);
  } else {
    refusal = std::get<v1::Refusal>(std::move(translated));
  }
  applied.changed = inserted || generation != pod.pod_generation || references != pod.references ||
                    !SameWorkload(workload, pod.workload) || !SameRefusal(refusal, pod.refusal);
  pod.pod_generation = generation;
  pod.references = std::move(references);
  pod.workload = std::move(workload);
  pod.refusal = std::move(refusal);
  return applied;
}

std::set<NodeName> PodBook::NodesReferringTo(const std::string& ns, const ContentId& content) const {
  std::set<NodeName> nodes;
  for (const auto& [uid, pod] : pods_) {
    if (pod.ns != ns || !pod.workload) continue;
    const auto& contents = pod.workload->contents;
    if (std::find(contents.begin(), contents.end(), content) != contents.end()) nodes.insert(pod.node);
  }
  return nodes;
}

std::set<NodeName> PodBook::ApplyReferent(const v1::ReferentApply& referent) {
  if (!referents_.Apply(referent)) return {};
  return NodesReferringTo(referent.namespace_(), ContentIdOf(referent.kind(), referent.name()));
}

void PodBook::DropUnusedReferents() {
  std::set<std::pair<std::string, ContentId>> used;
  for (const auto& [uid, pod] : pods_) {
    for (const ContentId& id : pod.references) used.insert({pod.ns, id});
    if (!pod.workload) continue;
    for (const ContentId& id : pod.workload->contents) used.insert({pod.ns, id});
  }
  referents_.Retain(used);
}

bool PodBook::Stop(Pod& pod, std::int64_t grace_seconds) {
  const std::int64_t grace = std::max<std::int64_t>(grace_seconds, 0);
  if (pod.stop && *pod.stop <= grace) return false;
  pod.stop = grace;
  return true;
}

bool PodBook::SetStatus(Pod& pod, const v1::WorkloadStatus& status) {
  v1::WorkloadStatus next = status;
  next.clear_events();
  pod.finished = pod.finished || IsTerminal(next.phase());
  if (pod.status) {
    // Compared as of the same moment.
    const std::int64_t observed = next.observed_at();
    next.set_observed_at(pod.status->observed_at());
    if (next.SerializeAsString() == pod.status->SerializeAsString()) return false;
    next.set_observed_at(observed);
  }
  pod.status = std::move(next);
  return true;
}

void PodBook::Forget(const PodUid& uid) {
  addresses_.Release(uid);
  pods_.erase(uid);
}

void PodBook::ForgetShown() {
  for (auto& [uid, pod] : pods_) pod.shown = false;
}

v1::PodReport PodBook::ReportOf(const Pod& pod) {
  v1::PodReport report;
  report.set_uid(pod.uid.value());
  report.set_node(pod.node.value());
  report.set_namespace_(pod.ns);
  report.set_name(pod.name);
  if (pod.status) {
    *report.mutable_status() = *pod.status;
    if (pod.host_network) {
      report.set_api_pod_ip(pod.status->host_ip());
    } else if (pod.status->pod_ips_size() > 0) {
      report.set_api_pod_ip(addresses_.AddressOf(pod.uid));
    }
  } else if (pod.refusal) {
    v1::WorkloadStatus& status = *report.mutable_status();
    status.set_uid(pod.uid.value());
    status.set_pod_generation(pod.pod_generation);
    status.set_phase(v1::PHASE_FAILED);
    status.set_reason(pod.refusal->reason());
    status.set_message(pod.refusal->message());
    *status.mutable_refused() = *pod.refusal;
  }
  return report;
}

}  // namespace slicelet::provider
