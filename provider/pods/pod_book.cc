#include "provider/pods/pod_book.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>
#include <variant>

#include "common/base/encoding.h"
#include "common/json/json.h"
#include "kube/object.h"

namespace slicelet::provider {
namespace {

constexpr std::int64_t kDefaultGraceSeconds = 30;

bool IsTerminal(const std::string& phase) { return phase == "Succeeded" || phase == "Failed"; }
bool IsTerminal(v1::Phase phase) { return phase == v1::PHASE_SUCCEEDED || phase == v1::PHASE_FAILED; }

bool SameWorkload(const std::optional<PlacedWorkload>& a, const std::optional<PlacedWorkload>& b) {
  if (a.has_value() != b.has_value()) return false;
  return !a || (a->digest == b->digest && a->role == b->role && a->priority == b->priority &&
                a->autonomy == b->autonomy && a->contents == b->contents && a->per_host == b->per_host);
}

/// Takes `status` unless it says the same as `held`, as of another moment.
bool Take(std::optional<v1::WorkloadStatus>& held, const v1::WorkloadStatus& status) {
  v1::WorkloadStatus next = status;
  next.clear_events();
  if (held) {
    // Compared as of the same moment.
    const std::int64_t observed = next.observed_at();
    next.set_observed_at(held->observed_at());
    if (next.SerializeAsString() == held->SerializeAsString()) return false;
    next.set_observed_at(observed);
  }
  held = std::move(next);
  return true;
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
  const auto there = on_node_.find(node);
  if (there == on_node_.end()) return found;
  found.reserve(there->second.size());
  for (const auto& [uid, pod] : there->second) found.push_back(pod);
  return found;
}

void PodBook::Put(Pod& pod, const NodeName& node) {
  if (pod.node != node) {
    const auto former = on_node_.find(pod.node);
    if (former != on_node_.end() && former->second.erase(pod.uid) != 0 && former->second.empty())
      on_node_.erase(former);
    pod.node = node;
  }
  on_node_[node][pod.uid] = &pod;
}

HostClaim ClaimOf(const v1::Workload& workload) {
  HostClaim claim;
  const auto add = [&claim](const v1::Container& container) {
    for (const v1::Port& port : container.ports()) {
      if (port.host_port() != 0) claim.ports.insert({port.protocol(), port.host_port()});
    }
    claim.cpu_milli += container.requests().cpu_milli();
    claim.memory_bytes += container.requests().memory_bytes();
    claim.without_cpu += container.requests().cpu_milli() == 0 ? 1 : 0;
    claim.without_memory += container.requests().memory_bytes() == 0 ? 1 : 0;
  };
  for (const v1::Container& container : workload.containers()) add(container);
  for (const v1::Container& container : workload.init_containers()) {
    if (container.sidecar()) add(container);
  }
  return claim;
}

Pod& PodBook::Learn(const NodeName& node, const v1::Deployment& deployment, const HostId& host) {
  const auto [it, inserted] = pods_.try_emplace(PodUid(deployment.uid()));
  Pod& pod = it->second;
  if (inserted) {
    pod.uid = it->first;
    Put(pod, node);
    pod.ns = deployment.namespace_();
    pod.name = deployment.name();
    pod.pod_generation = deployment.pod_generation();
  }
  if (!host.empty()) {
    // A stop on one host says nothing about the pod.
    Instance& instance = pod.instances[host];
    instance.targeted = !deployment.has_stop();
    if (deployment.has_stop()) instance.stop = deployment.stop().grace_seconds();
    return pod;
  }
  if (deployment.has_stop()) Stop(pod, deployment.stop().grace_seconds());
  return pod;
}

absl::StatusOr<PodBook::Applied> PodBook::Apply(const v1::PodApply& apply, bool fleet) {
  const Json object = ParseJson(apply.pod()).value_or(Json());
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
  pod.uid = uid;
  Put(pod, NodeName(apply.node()));
  pod.ns = kube::NamespaceOf(object);
  pod.name = kube::NameOf(object);
  pod.grace_seconds =
      kube::IntegerAt(object, {"spec", "terminationGracePeriodSeconds"}, kDefaultGraceSeconds);
  Applied applied{&pod, false, kube::BeingDeleted(object)};
  if (pod.gone && !applied.being_deleted) pod.again = apply;
  const Json* host_network = kube::Find(object, {"spec", "hostNetwork"});
  pod.host_network = host_network != nullptr && host_network->is_boolean() && host_network->get<bool>();
  pod.finished = pod.finished || IsTerminal(kube::TextAt(object, {"status", "phase"}));
  if (!pod.host_network) addresses_.Learn(uid, kube::TextAt(object, {"status", "podIP"}));

  const auto created = ParseTime(kube::TextAt(object, {"metadata", "creationTimestamp"}));
  pod.created = created.ok() ? ToUnixNanos(*created) : 0;

  const std::int64_t generation = kube::IntegerAt(object, {"metadata", "generation"}, 0);
  std::set<ContentId> references;
  for (const std::string& id : apply.references()) references.insert(ContentId(id));
  std::optional<PlacedWorkload> workload;
  std::optional<v1::Refusal> refusal;
  std::optional<FleetTerms> terms;
  TranslateOptions options = translate_;
  options.fleet = fleet;
  std::optional<ConnectorMaps> maps;
  pod.last_apply.reset();
  if (fleet && kube::TextAt(object, {"metadata", "annotations", "isEdgeDeployment"}) == "true") {
    pod.last_apply = apply;
    maps = ConnectorMapsOf(pod.ns, references);
    pod.references = references;
    // Made when they have arrived.
    if (!maps) return applied;
    options.connector = &*maps;
  }
  auto translated = Translate(object, {apply.environment().begin(), apply.environment().end()}, options);
  if (auto* translation = std::get_if<Translation>(&translated)) {
    workload.emplace();
    workload->bytes = SerializeDeployment(*translation);
    workload->digest = Sha256(workload->bytes);
    workload->role = translation->role;
    workload->priority = translation->priority;
    workload->autonomy = translation->autonomy;
    workload->log_tails = translation->log_tails;
    workload->contents = std::move(translation->contents);
    workload->per_host = std::move(translation->per_host);
    terms = std::move(translation->fleet);
    pod.ignored_routes = std::move(translation->connector.ignored_routes);
    if (!translation->connector.docker_config.empty()) {
      v1::ReferentApply registry;
      registry.set_kind("Secret");
      registry.set_namespace_(pod.ns);
      registry.set_name(std::string(kConnectorRegistry).substr(std::string("secret/").size()));
      v1::FileSet::File& file = *registry.mutable_content()->add_files();
      file.set_key(".dockerconfigjson");
      file.set_data(translation->connector.docker_config);
      referents_.Apply(registry);
    }
    pod.claim = ClaimOf(translation->workload);
    // ConfigMaps that decide about a workload may come after it: what they add is told then.
    for (std::string& field : translation->ignored) {
      if (pod.ignored_fields.insert(field).second) pod.untold_fields.push_back(std::move(field));
    }
  } else {
    refusal = std::get<v1::Refusal>(std::move(translated));
  }
  if (fleet && refusal && pod.workload) {
    // It goes on as it was on all its hosts; only the change is refused.
    applied.changed = !SameRefusal(refusal, pod.rejected_change);
    pod.rejected_change = std::move(refusal);
    return applied;
  }
  const bool accepted = pod.rejected_change.has_value();
  pod.rejected_change.reset();
  applied.changed = inserted || accepted || terms != pod.terms || generation != pod.pod_generation ||
                    references != pod.references || !SameWorkload(workload, pod.workload) ||
                    !SameRefusal(refusal, pod.refusal);
  pod.pod_generation = generation;
  pod.references = std::move(references);
  pod.workload = std::move(workload);
  pod.refusal = std::move(refusal);
  pod.terms = std::move(terms);
  if (fleet && pod.shown_phase < v1::PHASE_RUNNING) {
    const std::string phase = kube::TextAt(object, {"status", "phase"});
    if (phase == "Running") pod.shown_phase = v1::PHASE_RUNNING;
  }
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
  const ContentId id = ContentIdOf(referent.kind(), referent.name());
  std::vector<v1::PodApply> again;
  for (const auto& [uid, pod] : pods_) {
    // A deleted one's last apply tells nothing of its deletion: it would look as if that had been undone.
    if (pod.last_apply && !pod.stop && pod.ns == referent.namespace_() && pod.references.count(id) != 0)
      again.push_back(*pod.last_apply);
  }
  std::set<NodeName> nodes = NodesReferringTo(referent.namespace_(), id);
  for (const v1::PodApply& apply : again) {
    // It was understood before.
    if (Apply(apply, /*fleet=*/true).ok()) nodes.insert(NodeName(apply.node()));
  }
  return nodes;
}

std::optional<ConnectorMaps> PodBook::ConnectorMapsOf(const std::string& ns,
                                                      const std::set<ContentId>& references) const {
  static const std::string kPrefix = "configmap/";
  ConnectorMaps maps;
  for (const ContentId& id : references) {
    if (!id.value().starts_with(kPrefix)) continue;
    const Referents::Referent* referent = referents_.Find(ns, id);
    if (referent == nullptr) return std::nullopt;
    v1::FileSet files;
    if (!files.ParseFromString(referent->content)) continue;
    std::map<std::string, std::string>& data = maps[id.value().substr(kPrefix.size())];
    for (const v1::FileSet::File& file : files.files()) data[file.key()] = file.data();
  }
  return maps;
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
  pod.finished = pod.finished || IsTerminal(status.phase());
  return Take(pod.status, status);
}

bool PodBook::SetStatus(Instance& instance, const v1::WorkloadStatus& status) {
  // A host that refuses may think better of it.
  instance.finished = instance.finished || (IsTerminal(status.phase()) && !status.has_refused());
  return Take(instance.status, status);
}

void PodBook::Forget(const PodUid& uid) {
  addresses_.Release(uid);
  const auto pod = pods_.find(uid);
  if (pod == pods_.end()) return;
  const auto there = on_node_.find(pod->second.node);
  there->second.erase(uid);
  if (there->second.empty()) on_node_.erase(there);
  pods_.erase(pod);
}

void PodBook::ForgetShown() {
  referents_.Outdate();
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
    if (pod.terms) {
      // One address for all hosts: none of them has it.
      if (pod.status->pod_ips_size() > 0) report.set_api_pod_ip(addresses_.AddressOf(pod.uid));
      report.mutable_status()->clear_pod_ips();
    } else if (pod.host_network) {
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
  for (const v1::Condition& condition : pod.conditions) *report.add_conditions() = condition;
  return report;
}

}  // namespace slicelet::provider
