// A fleet node's pod on its hosts: from each host's word to the one status that Kubernetes sees.
#include <algorithm>
#include <utility>

#include "common/log/log.h"
#include "provider/fleet/fleet_status.h"
#include "provider/hub/hub_impl.h"
#include "provider/translate/translate.h"

namespace slicelet::provider {
namespace {

constexpr char kChangeAccepted[] = "slicelet.io/ChangeAccepted";

bool Same(const std::vector<v1::Condition>& a, const std::vector<v1::Condition>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& left, const auto& right) {
    return left.SerializeAsString() == right.SerializeAsString();
  });
}

v1::Condition MakeCondition(const std::string& type, bool status, const std::string& reason,
                            const std::string& message) {
  v1::Condition condition;
  condition.set_type(type);
  condition.set_status(status);
  condition.set_reason(reason);
  condition.set_message(message);
  return condition;
}

std::string MayHavePortsOf(const Pod& pod, const Pod& holder) {
  std::string ports;
  for (const auto& [protocol, port] : pod.claim.ports)
    ports += (ports.empty() ? "" : ", ") + std::to_string(port) + "/" + protocol;
  return "waits for host port " + ports + ", which pod " + holder.ns + "/" + holder.name +
         " may have: it runs there, and what it takes was lost with the hub's store. It ends when Kubernetes "
         "shows that pod again, or when 'slicectl orphans' decides about it";
}

bool IsReady(const Instance& instance) {
  return instance.status &&
         std::any_of(instance.status->conditions().begin(), instance.status->conditions().end(),
                     [](const v1::Condition& condition) {
                       return condition.type() == "ContainersReady" && condition.status();
                     });
}

}  // namespace

void Hub::Impl::DropInstance(Pod& pod, const HostId& host, HubStore::Batch& batch) {
  const auto it = pod.instances.find(host);
  if (it == pod.instances.end()) return;
  unsaved_statuses.erase({pod.uid, host});
  if (it->second.status) batch.statuses[{pod.uid, host}] = std::nullopt;
  tails.Forget(pod.uid, host, batch);
  pod.instances.erase(it);
}

void Hub::Impl::DropHost(const HostId& host, HubStore::Batch& batch) {
  std::vector<PodUid> uids;
  for (const auto& [uid, pod] : book.pods()) {
    if (pod.instances.count(host) != 0) uids.push_back(uid);
  }
  for (const PodUid& uid : uids) {
    DropInstance(*book.Find(uid), host, batch);
    SummarizeLater(uid);
  }
  RetargetLater(host);
  ReportFleetsLater();
}

// Somebody else has not yet left what the pod needs there.
std::optional<std::string> Hub::Impl::WaitsForPlace(const HostState& host, const Pod& pod) {
  std::optional<std::string> wait;
  for (const Pod* other : book.OnNode(pod.node)) {
    const auto it = other->instances.find(host.id);
    if (other == &pod || it == other->instances.end() || it->second.gone || !host.manifest->Holds(other->uid))
      continue;
    // A host that lost its store says what it runs; what it was given last is not there any more.
    if (!host.MayRun(other->uid)) continue;
    const Instance& instance = it->second;
    // What it takes of the host was lost with the hub's store: it may be any port.
    if (!other->workload && !other->claim_known && !instance.finished && !pod.claim.ports.empty())
      return MayHavePortsOf(pod, *other);
    if (instance.winner == pod.uid) wait.emplace();
    if (!instance.stop && !other->stop) continue;
    if (pod.terms && other->terms && !pod.terms->layered && !other->terms->layered) wait.emplace();
    const auto& ports = other->claim.ports;
    if (std::any_of(pod.claim.ports.begin(), pod.claim.ports.end(),
                    [&ports](const auto& port) { return ports.count(port) != 0; })) {
      wait.emplace();
    }
  }
  return wait;
}

void Hub::Impl::OnInstanceStatus(HostState& host, Pod& pod, const v1::WorkloadStatus& status) {
  const auto it = pod.instances.find(host.id);
  if (it == pod.instances.end()) {
    LogDebug("status of a pod that is not for this host", {{"host", host.id}, {"uid", pod.uid}});
    return;
  }
  Instance& instance = it->second;
  if (status.gone()) {
    if (pod.stop || instance.stop) OnInstanceGone(host, pod, instance, status);
    return;
  }
  const bool finished = instance.finished;
  const bool changed = PodBook::SetStatus(instance, status);
  if (changed) {
    SaveStatusLater(pod.uid, host.id);
    SummarizeLater(pod.uid);
  }
  if (instance.finished != finished) RetargetLater(pod, host.id);
  LookAtLogs(host.id, pod);
  // Good news of hundreds of hosts would drown the bad.
  for (const v1::WorkloadEvent& event : status.events()) {
    if (!event.warning() || !pod.shown) continue;
    v1::WorkloadEvent with_host = event;
    with_host.set_message("host " + host.id.value() + ": " + event.message());
    SendEvent(pod, std::move(with_host));
  }
}

void Hub::Impl::OnInstanceGone(HostState& host, Pod& pod, Instance& instance,
                               const v1::WorkloadStatus& last) {
  if (instance.gone) return;
  instance.gone = true;
  RetargetLater(host.id);
  LogInfo("pod gone from a host", {{"host", host.id}, {"uid", pod.uid}});
  const bool forgotten =
      last.containers_size() == 0 && instance.status && instance.status->containers_size() > 0;
  if (!forgotten) PodBook::SetStatus(instance, last);
  if (!host.tombstones.armed()) {
    host.tombstones.Set(kTombstone, [&host] { host.manifest->Touch(); });
  }
  SummarizeLater(pod.uid);
  SettleFleetStop(pod);
}

void Hub::Impl::SettleFleetStop(Pod& pod) {
  if (!pod.stop || pod.gone) return;
  bool held = false;
  for (const auto& [id, host] : hosts) {
    const bool passed_over = IsPassedOver(*host, pod);
    if (!host->known() && !passed_over) return;
    if (!host->manifest->Holds(pod.uid)) continue;
    held = true;
    const auto instance = pod.instances.find(id);
    const bool gone = instance != pod.instances.end() && instance->second.gone;
    if (!gone && !passed_over) return;
  }
  LogInfo("pod gone from all hosts in reach", {{"node", pod.node}, {"uid", pod.uid}, {"tombstones", held}});
  pod.gone = true;
  SendGone(pod, pod.status ? &*pod.status : nullptr);
  if (!held) ForgetPod(PodUid(pod.uid));
}

void Hub::Impl::SettleFleetStops() {
  std::vector<PodUid> stopping;
  for (const auto& [uid, pod] : book.pods()) {
    const NodeState* node = pod.stop && !pod.gone ? FindNode(pod.node) : nullptr;
    if (node != nullptr && node->fleet()) stopping.push_back(uid);
  }
  for (const PodUid& uid : stopping) {
    if (Pod* pod = book.Find(uid)) SettleFleetStop(*pod);
  }
}

void Hub::Impl::WatchShown(HostState& host) {
  if (host.known() || links.Find(host.id)->reach() == Reach::kUnreachable) {
    host.unshown.reset();
    return host.show.Cancel();
  }
  // One that comes and goes is not waited for anew each time.
  if (host.unshown) return;
  host.unshown = d.loop.Now();
  host.show.Set(kAwaitShown, [this] { SettleFleetStops(); });
}

bool Hub::Impl::IsPassedOver(const HostState& host, const Pod& pod) {
  // One that is away gets to know of it by its tombstone.
  if (links.Find(host.id)->reach() == Reach::kUnreachable) return true;
  if (host.known()) return false;
  if (host.amnesiac && host.unexplained) return !host.MayRun(pod.uid);
  return host.unshown && d.loop.Now() - *host.unshown >= kAwaitShown;
}

void Hub::Impl::PurgeInstances(HostState& host) {
  std::vector<PodUid> purge;
  for (const auto& [uid, pod] : book.pods()) {
    const auto instance = pod.instances.find(host.id);
    if (instance == pod.instances.end() || host.manifest->Holds(uid)) continue;
    // A stop that no manifest holds was decided on an older one, which the host has proved to be outdated.
    if (instance->second.gone || instance->second.stop || pod.gone) purge.push_back(uid);
  }
  HubStore::Batch batch;
  for (const PodUid& uid : purge) {
    Pod& pod = *book.Find(uid);
    DropInstance(pod, host.id, batch);
    // It may be for this host again by now.
    RetargetLater(pod, host.id);
    if (IsHeld(pod)) continue;
    // One that is not being deleted goes on, unless the shim has never spoken of it.
    if (!pod.gone && (pod.workload || pod.refusal || !pod.instances.empty())) continue;
    Purge(pod);
  }
  Commit(std::move(batch));
}

void Hub::Impl::OnHostChanged(const HostState& host) {
  for (const auto& [uid, pod] : book.pods()) {
    if (pod.instances.count(host.id) == 0) continue;
    SummarizeLater(uid);
    // Its time there counts anew.
    if (pod.workload && pod.workload->autonomy > Duration::zero()) RetargetLater(pod, host.id);
  }
  RetargetLater(host.id);
  ReportFleetsLater();
}

void Hub::Impl::SummarizeLater(const PodUid& uid) {
  PlacesChanged();
  unsummarized.insert(uid);
  if (!summarize.armed()) summarize.Set(kFleetReport, [this] { SummarizeFleets(); });
}

void Hub::Impl::SummarizeFleets() {
  for (const PodUid& uid : std::exchange(unsummarized, {})) {
    Pod* pod = book.Find(uid);
    if (pod == nullptr || !pod->workload || !pod->terms) continue;
    if (IsHeard(*pod))
      Summarize(*pod);
    else
      unsummarized.insert(uid);
  }
  if (!unsummarized.empty()) summarize.Set(kFleetRetry, [this] { SummarizeFleets(); });
}

bool Hub::Impl::IsHeard(const Pod& pod) {
  if (d.loop.Now() - started >= kFleetSilence) return true;
  const NodeState* node = FindNode(pod.node);
  if (node == nullptr || !node->judge->synced() || !registry.listed()) return false;
  return std::all_of(pod.instances.begin(), pod.instances.end(), [&](const auto& entry) {
    const HostState* host = FindHost(entry.first);
    return host == nullptr || host->reported || links.Find(entry.first)->reach() == Reach::kUnreachable ||
           (host->verified && !host->manifest->Holds(pod.uid));
  });
}

void Hub::Impl::Summarize(Pod& pod) {
  const auto parsed = ParseDeployment(pod.workload->role, pod.workload->bytes);
  if (!parsed) return;
  const v1::Workload& workload = *parsed;
  std::vector<FleetInstance> instances;
  for (const auto& [id, instance] : pod.instances) {
    if (!instance.targeted) continue;
    FleetInstance& one = instances.emplace_back();
    one.host = id;
    const HostState* host = FindHost(id);
    one.reachable = host != nullptr && links.Find(id)->reach() != Reach::kUnreachable;
    one.applied = host != nullptr && host->manifest->Holds(pod.uid) && !instance.stop &&
                  host->accepted == host->manifest->generation();
    one.superseded = instance.superseded;
    one.waits = instance.waits;
    // What is being taken away begins anew when it comes back.
    if (instance.status && !instance.stop) one.status = &*instance.status;
  }
  std::optional<v1::WorkloadStatus> former = pod.status;
  if (!former && pod.shown_phase != v1::PHASE_PENDING) former.emplace().set_phase(pod.shown_phase);
  std::vector<HostId> undecided;
  if (!pod.finished && IsOverSomewhere(instances)) undecided = MayAlsoRunOn(pod);
  if (!undecided.empty()) undecided_ends.insert(pod.uid);
  FleetStatus next =
      Aggregate(workload, *pod.terms, pod.node.value(), instances, undecided, former ? &*former : nullptr);
  std::vector<v1::Condition> conditions = {std::move(next.fleet), std::move(next.placed)};
  if (!pod.ignored_routes.empty()) {
    std::string routes;
    for (const std::string& route : pod.ignored_routes) routes += (routes.empty() ? "" : ", ") + route;
    conditions.push_back(
        MakeCondition("slicelet.io/RoutesIgnored", true, "NoMessageHub",
                      "hosts have no message hub that could follow edgehub's routes: " + routes));
  }
  const bool complained =
      std::any_of(pod.conditions.begin(), pod.conditions.end(),
                  [](const auto& condition) { return condition.type() == kChangeAccepted; });
  if (pod.rejected_change) {
    conditions.push_back(
        MakeCondition(kChangeAccepted, false, pod.rejected_change->reason(), pod.rejected_change->message()));
  } else if (complained) {
    conditions.push_back(MakeCondition(kChangeAccepted, true, "Accepted", ""));
  }
  const bool finished = pod.finished;
  const bool told = !Same(conditions, pod.conditions);
  pod.conditions = std::move(conditions);
  if (PodBook::SetStatus(pod, next.status) || told) SendReport(pod, nullptr);
  if (pod.finished != finished) RetargetLater(pod);
  StopLeftovers(pod);
}

// Its end may have been told before the hub's store was put back from a copy, and with fewer hosts than a
// proof shows now. As on a kubelet nothing of a pod that is over goes on.
void Hub::Impl::StopLeftovers(Pod& pod) {
  if (!pod.finished || pod.stop || pod.gone) return;
  for (auto& [id, instance] : pod.instances) {
    const bool over = instance.finished || instance.stop || instance.gone;
    HostState* host = FindHost(id);
    if (over || !instance.status || instance.status->has_refused() || host == nullptr) continue;
    instance.targeted = false;
    instance.stop = GraceOf(pod);
    host->manifest->Touch();
    RetargetLater(pod, id);
  }
}

void Hub::Impl::ShowRefusal(Pod& pod) {
  if (!pod.refusal) return;
  pod.conditions = {
      MakeCondition("slicelet.io/Placed", false, pod.refusal->reason(), pod.refusal->message())};
}

absl::StatusOr<HostId> Hub::Impl::HostForStream(const Pod& pod, const std::string& wanted) {
  const std::string name = "pod " + pod.ns + "/" + pod.name;
  const NodeState* node = FindNode(pod.node);
  if (node == nullptr || !node->fleet()) {
    if (!wanted.empty() && wanted != pod.node.value())
      return absl::NotFoundError(name + " is not on host " + wanted);
    return HostId(pod.node.value());
  }
  if (!wanted.empty()) {
    const HostState* host = FindHost(HostId(wanted));
    if (host == nullptr || pod.instances.count(host->id) == 0 || !host->manifest->Holds(pod.uid))
      return absl::NotFoundError(name + " is not on host " + wanted);
    return host->id;
  }
  // A ready one, else one that has something to show, else one that has it.
  std::optional<HostId> best;
  int best_rank = 0;
  bool held = false;
  for (const auto& [id, instance] : pod.instances) {
    const HostState* host = FindHost(id);
    if (host == nullptr || !host->manifest->Holds(pod.uid)) continue;
    held = true;
    if (!links.Find(id)->connected()) continue;
    const int rank = IsReady(instance) ? 3 : instance.status ? 2 : 1;
    if (rank > best_rank) {
      best = id;
      best_rank = rank;
    }
  }
  if (best) return *best;
  if (held) return absl::UnavailableError("no host that has " + name + " is connected");
  return absl::NotFoundError(name + " is on no host yet");
}

void Hub::Impl::AddFleetEntries(const Pod& pod, v1::PodHostsReply& reply) {
  for (const auto& [id, instance] : pod.instances) {
    v1::PodHostsReply::Entry& entry = *reply.add_entries();
    entry.set_host(id.value());
    const HostState* host = FindHost(id);
    entry.set_connected(host != nullptr && links.Find(id)->connected());
    entry.set_accepted(host != nullptr && host->manifest->Holds(pod.uid) &&
                       host->accepted == host->manifest->generation());
    if (instance.status) *entry.mutable_status() = *instance.status;
    entry.set_message(instance.superseded.empty() ? instance.waits : instance.superseded);
    entry.set_state(pod.stop                       ? "Stopping"
                    : !instance.superseded.empty() ? "Superseded"
                    : !instance.targeted           ? "Withdrawn"
                                                   : "Targeted");
  }
}

}  // namespace slicelet::provider
