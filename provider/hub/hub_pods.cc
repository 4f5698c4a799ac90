// The life of one pod between shim and host: stops, reports, tombstones, and what the orphan judge says.
#include <algorithm>
#include <utility>

#include "absl/strings/str_join.h"
#include "common/log/log.h"
#include "provider/hub/hub_impl.h"

namespace slicelet::provider {
namespace {

constexpr std::int64_t kDefaultGraceSeconds = 30;

/// Says which pod a message is about.
template <typename About>
void Name(const Pod& pod, About& about) {
  about.set_uid(pod.uid.value());
  about.set_namespace_(pod.ns);
  about.set_name(pod.name);
  about.set_node(pod.node.value());
}

}  // namespace

void Hub::Impl::StopPod(Pod& pod, std::int64_t grace_seconds) {
  if (PodBook::Stop(pod, grace_seconds)) {
    LogInfo("pod stopping", {{"node", pod.node}, {"uid", pod.uid}, {"grace_seconds", grace_seconds}});
  }
  TouchHostsOf(pod);
  TouchHostsThatRun(pod.uid);
  const NodeState* node = FindNode(pod.node);
  if (node == nullptr) return;
  RetargetLater(pod);
  if (node->fleet()) return SettleFleetStop(pod);
  if (HostState* host = FindHost(node->host)) SettleStops(*host);
}

std::int64_t Hub::Impl::GraceOf(const Pod& pod) {
  if (pod.workload) return pod.grace_seconds;
  for (const HostState* host : HostsOf(pod)) {
    const auto deployment = host->manifest->deployments().find(pod.uid);
    if (deployment == host->manifest->deployments().end()) continue;
    const absl::StatusOr<std::string> bytes = shelf.Read(Digest(deployment->second.digest()));
    if (!bytes.ok()) continue;
    if (const auto workload = ParseDeployment(deployment->second.role(), *bytes))
      return workload->termination_grace_seconds();
  }
  return kDefaultGraceSeconds;
}

std::vector<Hub::Impl::HostState*> Hub::Impl::HostsOf(const Pod& pod) {
  std::vector<HostState*> found;
  const NodeState* node = FindNode(pod.node);
  if (node == nullptr) return found;
  if (!node->fleet()) {
    if (HostState* host = FindHost(node->host)) found.push_back(host);
    return found;
  }
  for (const auto& [id, instance] : pod.instances) {
    if (HostState* host = FindHost(id)) found.push_back(host);
  }
  return found;
}

void Hub::Impl::TouchHostsOf(const Pod& pod) {
  for (HostState* host : HostsOf(pod)) host->manifest->Touch();
}

bool Hub::Impl::IsHeld(const Pod& pod) {
  const std::vector<HostState*> concerned = HostsOf(pod);
  return std::any_of(concerned.begin(), concerned.end(),
                     [&pod](const HostState* host) { return host->manifest->Holds(pod.uid); });
}

void Hub::Impl::SettleStops(HostState& host) {
  // Whether a host runs it is known only once the host has said what it holds, or took a manifest made anew.
  if (!host.known()) return;
  SettleFleetStops();
  for (const Pod* pod : book.OnNode(host.node)) {
    if (!pod->stop || pod->gone || host.manifest->Holds(pod->uid)) continue;
    LogInfo("pod gone, no host ever had it", {{"node", host.node}, {"uid", pod->uid}});
    SendGone(*pod, nullptr);
    Purge(*pod);
  }
}

void Hub::Impl::OnWorkloadStatus(HostState& host, const v1::WorkloadStatus& status) {
  Pod* pod = book.Find(PodUid(status.uid()));
  const NodeState* node = pod == nullptr ? nullptr : FindNode(pod->node);
  if (node != nullptr && node->fleet()) return OnInstanceStatus(host, *pod, status);
  if (pod == nullptr || pod->node != host.node) {
    LogDebug("status of an unknown pod", {{"host", host.id}, {"uid", status.uid()}});
    return;
  }
  if (status.gone()) {
    if (pod->stop) OnGone(host, *pod, status);
    return;
  }
  const bool finished = pod->finished;
  const bool changed = PodBook::SetStatus(*pod, status);
  if (changed) SaveStatusLater(pod->uid, host.id);
  if (pod->finished != finished) RetargetLater(host.id);
  LookAtLogs(host.id, *pod);
  if (changed || status.events_size() > 0) SendReport(*pod, &status);
}

void Hub::Impl::OnGone(HostState& host, Pod& pod, const v1::WorkloadStatus& last) {
  if (pod.gone) return;
  pod.gone = true;
  RetargetLater(host.id);
  LogInfo("pod gone from its host", {{"host", host.id}, {"uid", pod.uid}});
  // A host that forgot it knows only that nothing is left.
  const bool forgotten = last.containers_size() == 0 && pod.status && pod.status->containers_size() > 0;
  if (!forgotten) PodBook::SetStatus(pod, last);
  SendGone(pod, pod.status ? &*pod.status : nullptr);
  if (!host.tombstones.armed()) {
    host.tombstones.Set(kTombstone, [&host] { host.manifest->Touch(); });
  }
}

void Hub::Impl::SendGone(const Pod& pod, const v1::WorkloadStatus* last) {
  v1::ProviderMessage message;
  v1::PodGone& gone = *message.mutable_pod_gone();
  Name(pod, gone);
  if (last != nullptr) *gone.mutable_last() = *last;
  shims.Send(std::move(message));
}

void Hub::Impl::SendReport(Pod& pod, const v1::WorkloadStatus* with_events) {
  if (!pod.shown) return;
  std::optional<v1::Condition> not_placed = NotPlaced(pod);
  if (!pod.status && !pod.refusal && !not_placed) return;
  v1::ProviderMessage message;
  *message.mutable_pod_report() = book.ReportOf(pod);
  if (not_placed) *message.mutable_pod_report()->add_conditions() = *std::move(not_placed);
  if (with_events != nullptr) {
    *message.mutable_pod_report()->mutable_status()->mutable_events() = with_events->events();
  }
  shims.Send(std::move(message));
}

std::optional<v1::Condition> Hub::Impl::NotPlaced(const Pod& pod) {
  const HostState* host = FindHost(HostId(pod.node.value()));
  if (host == nullptr || pod.status || pod.refusal || pod.stop || !registry.listed()) return std::nullopt;
  v1::Condition condition;
  condition.set_type("slicelet.io/Placed");
  const auto because = [&condition](const std::string& reason, const std::string& why) {
    condition.set_reason(reason);
    condition.set_message(why);
    return condition;
  };
  const std::string name = "EdgeHost " + host->id.value();
  if (!host->manifest->Holds(pod.uid)) {
    const EdgeHost* object = registry.Find(host->id);
    if (object == nullptr) return because("HostUnknown", "there is no " + name);
    if (object->revoked) return because("HostRevoked", name + " is revoked");
    if (!object->approved)
      return because("HostNotApproved", name + " is not approved: set spec.approved to true");
    if (object->maintenance) {
      return because("HostInMaintenance",
                     name + " is in maintenance and takes no new pods: spec.maintenance");
    }
  }
  if (host->takes.type().empty() || host->takes.status()) return std::nullopt;
  return because(host->takes.reason(), host->takes.message());
}

void Hub::Impl::ReportWaiting(const HostState& host) {
  for (Pod* pod : book.OnNode(host.node)) {
    if (!pod->status && !pod->refusal) SendReport(*pod, nullptr);
  }
}

void Hub::Impl::SendEvent(const Pod& pod, const std::string& reason, const std::string& text) {
  v1::WorkloadEvent event;
  event.set_warning(true);
  event.set_reason(reason);
  event.set_message(text);
  event.set_time(ToUnixNanos(d.clock.Now()));
  SendEvent(pod, std::move(event));
}

void Hub::Impl::SendEvent(const Pod& pod, v1::WorkloadEvent event) {
  v1::ProviderMessage message;
  Name(pod, *message.mutable_event());
  *message.mutable_event()->mutable_event() = std::move(event);
  shims.Send(std::move(message));
}

void Hub::Impl::TellIgnoredFields(Pod& pod) {
  if (pod.untold_fields.empty()) return;
  SendEvent(pod, "FieldsIgnored",
            "not honoured on edge hosts: " + absl::StrJoin(std::exchange(pod.untold_fields, {}), ", "));
}

void Hub::Impl::PurgeTombstones(HostState& host) {
  if (host.amnesiac || host.accepted < host.manifest->generation()) return;
  PurgeInstances(host);
  for (const Pod* pod : book.OnNode(host.node)) {
    if (!pod->gone || host.manifest->Holds(pod->uid)) continue;
    Purge(*pod);
  }
}

void Hub::Impl::Purge(const Pod& pod) {
  const std::optional<v1::PodApply> again = pod.again;
  if (!again) {
    purged.emplace_back(pod.uid, pod.node);
    if (purged.size() > kMaxPurged) purged.pop_front();
  }
  ForgetPod(PodUid(pod.uid));
  if (again) OnPodApply(*again);
}

void Hub::Impl::ForgetPod(const PodUid& uid) {
  const Pod* pod = book.Find(uid);
  if (pod == nullptr) return;
  RetargetLater(*pod);
  HubStore::Batch batch;
  std::vector<HostId> ids;
  ids.reserve(pod->instances.size());
  for (const auto& [id, instance] : pod->instances) ids.push_back(id);
  for (const HostId& id : ids) DropInstance(*book.Find(uid), id, batch);
  const HostId host(pod->node.value());
  unsaved_statuses.erase({uid, host});
  if (pod->status && !pod->terms) batch.statuses[{uid, host}] = std::nullopt;
  tails.Forget(uid, host, batch);
  if (placements.erase(uid) != 0) batch.placements[uid] = std::nullopt;
  unsummarized.erase(uid);
  Commit(std::move(batch));
  if (NodeState* node = FindNode(pod->node)) Run(*node, node->judge->Forget(uid));
  book.Forget(uid);
}

void Hub::Impl::SaveStatusLater(const PodUid& uid, const HostId& host) {
  unsaved_statuses.insert({uid, host});
  if (!save_statuses.armed()) save_statuses.Set(kSaveStatuses, [this] { SaveStatuses(); });
}

void Hub::Impl::SaveStatuses() {
  HubStore::Batch batch;
  for (const HubStore::StatusKey& key : std::exchange(unsaved_statuses, {})) SaveStatus(key, batch);
  Commit(std::move(batch));
}

bool Hub::Impl::SaveStatus(const HubStore::StatusKey& key, HubStore::Batch& batch) {
  const Pod* pod = book.Find(key.first);
  if (pod == nullptr) return false;
  const auto instance = pod->instances.find(key.second);
  const bool own = pod->node.value() == key.second.value();
  if (instance == pod->instances.end() && !own) return false;
  const auto& status = own ? pod->status : instance->second.status;
  if (!status) return false;
  v1::StatusRecord& record = batch.statuses[key].emplace();
  record.set_host(key.second.value());
  *record.mutable_status() = *status;
  return true;
}

std::vector<OrphanJudge::KnownPod> Hub::Impl::KnownPods(const NodeState& node) {
  std::vector<OrphanJudge::KnownPod> known;
  for (const Pod* pod : book.OnNode(node.name)) {
    // A hub that has just started knows of a deletion only that each host is to stop it.
    const bool stops = node.fleet() && !pod->workload && !pod->refusal &&
                       std::all_of(pod->instances.begin(), pod->instances.end(),
                                   [](const auto& entry) { return entry.second.stop.has_value(); });
    if (!pod->stop && !stops && IsHeld(*pod)) known.push_back({pod->uid, pod->ns, pod->name});
  }
  return known;
}

void Hub::Impl::SaveNode(const NodeState& node, HubStore::Batch& batch) const {
  v1::NodeRecord& record = batch.nodes[node.name].emplace(node.judge->node());
  record.set_shim_incarnation(shims.highest_incarnation());
}

void Hub::Impl::Run(NodeState& node, const OrphanJudge::Actions& actions) {
  HubStore::Batch batch;
  if (actions.node_changed) SaveNode(node, batch);
  for (const auto& [uid, record] : actions.orphans) {
    if (record) {
      LogWarning(record->kept()   ? "missing pod kept"
                 : record->held() ? "missing pod held until an operator decides"
                                  : "pod is missing from the API server and keeps running",
                 {{"node", node.name}, {"uid", uid}, {"reason", node.judge->node().held_reason()}});
    }
    batch.orphans[uid] = record;
  }
  Commit(std::move(batch));
  for (const v1::ConfirmPod& confirm : actions.confirm) {
    v1::ProviderMessage message;
    *message.mutable_confirm_pod() = confirm;
    shims.Send(std::move(message));
  }
  for (const auto& [uid, evidence] : actions.remove) {
    Pod* pod = book.Find(uid);
    if (pod == nullptr) continue;
    LogInfo("missing pod removed",
            {{"node", node.name}, {"uid", uid}, {"evidence", v1::Evidence_Name(evidence)}});
    StopPod(*pod, GraceOf(*pod));
  }
  if (actions.node_changed) ReportNode(node);
  if (!actions.orphans.empty()) {
    for (const auto& [id, host] : hosts) {
      if (host->amnesiac) host->manifest->Touch();
    }
  }
  const std::optional<MonotonicTime> due = node.judge->NextDue();
  if (!due) return node.judging.Cancel();
  node.judging.Set(*due - d.loop.Now(), [this, &node] { Run(node, node.judge->OnTime(d.loop.Now())); });
}

}  // namespace slicelet::provider
