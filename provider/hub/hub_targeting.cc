// Which hosts of a fleet node each of its pods is for: what of that may have changed, and what follows.
#include <algorithm>
#include <utility>

#include "common/log/log.h"
#include "provider/hub/hub_impl.h"
#ifdef SLICELET_PLANTS
#include "tests/sim/plants.h"
#endif

namespace slicelet::provider {
namespace {

/// A thousand hosts that come back together lead to one look at all of them.
constexpr Duration kRetargetDelay = std::chrono::milliseconds(20);
/// Up to so many hosts are looked up in every pod; for more, every pod's hosts are gone through.
constexpr std::size_t kFewHosts = 64;
/// Longer than any hub runs.
constexpr Duration kForever = std::chrono::hours(24 * 365 * 10);

bool Chooses(const Pod& pod) { return pod.terms && pod.terms->placement != FleetTerms::Placement::kAll; }

}  // namespace

// ---- What may have changed

void Hub::Impl::RetargetLater() {
  for (NodeState* node : fleets) node->targeting.reset();
  RetargetSoon();
}

void Hub::Impl::RetargetLater(const HostId& host) {
  for (NodeState* node : fleets) node->changed_hosts.insert(host);
  RetargetSoon();
}

void Hub::Impl::RetargetLater(const Pod& pod) {
  const NodeState* own = FindNode(pod.node);
  if (own != nullptr && !own->fleet()) return RetargetLater(own->host);
  for (NodeState* node : fleets) {
    if (node == own) node->changed_pods.insert(pod.uid);
    for (const auto& [host, instance] : pod.instances) node->changed_hosts.insert(host);
  }
  RetargetSoon();
}

void Hub::Impl::RetargetLater(const Pod& pod, const HostId& host) {
  NodeState* own = FindNode(pod.node);
  if (own != nullptr && own->fleet()) own->changed_pods.insert(pod.uid);
  RetargetLater(host);
}

void Hub::Impl::RetargetSoon() {
  if (retarget_posted || fleets.empty()) return;
  retarget_posted = true;
  d.loop.RunAfter(kRetargetDelay, lifetime.Guard([this] {
    retarget_posted = false;
    Retarget();
  }));
}

void Hub::Impl::Retarget() {
  // Without the EdgeHosts every host looks as if it had been removed.
  if (!registry.listed()) return;
  for (NodeState* node : fleets) {
    if (node->selection && node->judge->synced())
      RetargetNode(*node);
    else
      node->targeting.reset();
  }
  for (const PodUid& uid : std::exchange(undecided_ends, {})) SummarizeLater(uid);
  WatchAutonomy();
}

// ---- Hosts and pods as they are now

std::optional<TargetHost> Hub::Impl::TargetHostOf(const NodeState& node, const HostState& host) {
  const EdgeHost* object = registry.Find(host.id);
  if (object == nullptr || !object->approved || object->revoked) return std::nullopt;
  TargetHost target;
  target.id = host.id;
  target.heard = host.has_facts;
  target.facts = FactsOf(host);
  const bool undecided = !target.heard && node.selection->AsksTheHost();
  if (!undecided && !node.selection->Matches(target.facts)) return std::nullopt;
  target.takes_new = !object->maintenance && !undecided;
  const HostSession& session = *links.Find(host.id);
  target.reachable = session.reach() != Reach::kUnreachable;
  target.receive_rate = session.receive_rate();
  target.allocatable_cpu_milli = host.facts.allocatable_cpu_milli();
  target.allocatable_memory_bytes = host.facts.allocatable_memory_bytes();
  return target;
}

// The hub's store may be older than what it had given them. Of chosen hosts it keeps which they are.
std::vector<HostId> Hub::Impl::MayAlsoRunOn(const Pod& pod) {
  const NodeState* node = FindNode(pod.node);
  std::vector<HostId> undecided;
  if (node == nullptr || !node->selection || Chooses(pod)) return undecided;
  const TargetCondition& condition = pod.terms->condition;
  if (!node->selection->AsksTheHost() && !condition.AsksTheHost()) return undecided;
  for (const auto& [id, host] : hosts) {
    const bool away = !host->has_facts && host->manifest->record().highest_session() != 0;
    if (!away || pod.instances.count(id) != 0 || !registry.MayConnect(id).ok()) continue;
    const TargetFacts facts = FactsOf(*host);
    if (node->selection->MayMatch(facts) && condition.MayMatch(facts)) undecided.push_back(id);
  }
  return undecided;
}

void Hub::Impl::TakeFor(const NodeState& node, const Pod& pod, const HostId& host, TargetHost& target) {
  if (pod.finished || pod.gone || pod.refusal) return;
  const NodeState* other = FindNode(pod.node);
  const auto instance = pod.instances.find(host);
  const bool own = other != nullptr && !other->fleet() && other->host == host;
  const bool fleet = instance != pod.instances.end() && !instance->second.finished;
  const bool meant = fleet && instance->second.targeted && instance->second.superseded.empty();
  // This node's own compete, unless all that is known of them is that a manifest holds them.
  const bool competes = pod.node == node.name && pod.workload && !pod.stop;
  if (own || (meant && !(pod.node == node.name && pod.workload))) {
    target.taken.ports.insert(pod.claim.ports.begin(), pod.claim.ports.end());
    target.taken.cpu_milli += pod.claim.cpu_milli;
    target.taken.memory_bytes += pod.claim.memory_bytes;
    target.taken.without_cpu += pod.claim.without_cpu;
    target.taken.without_memory += pod.claim.without_memory;
  } else if (fleet && !(meant && competes) && !instance->second.gone) {
    const HostState* holder = FindHost(host);
    if (holder != nullptr && holder->manifest->Holds(pod.uid)) target.leaving += RoomOf(pod.claim);
  }
}

void Hub::Impl::SetTargetHosts(NodeState& node, const std::set<HostId>* only) {
  std::map<HostId, TargetHost> targets;
  const auto look = [&](const HostId& id, const HostState* host) {
    auto target = host == nullptr ? std::nullopt : TargetHostOf(node, *host);
    if (target)
      targets.emplace(id, *std::move(target));
    else
      node.targeting->RemoveHost(id);
  };
  if (only != nullptr) {
    for (const HostId& id : *only) look(id, FindHost(id));
  } else {
    for (const auto& [id, host] : hosts) look(id, host.get());
  }
  for (const auto& [uid, pod] : book.pods()) {
    if (targets.size() <= kFewHosts) {
      for (auto& [id, target] : targets) TakeFor(node, pod, id, target);
      continue;
    }
    const auto take = [&, &pod = pod](const HostId& host) {
      const auto target = targets.find(host);
      if (target != targets.end()) TakeFor(node, pod, host, target->second);
    };
    const NodeState* other = FindNode(pod.node);
    if (other != nullptr && !other->fleet()) take(other->host);
    for (const auto& [host, instance] : pod.instances) take(host);
  }
  for (auto& [id, target] : targets) node.targeting->SetHost(std::move(target));
}

void Hub::Impl::SetRates(NodeState& node) {
  for (const auto& [id, host] : hosts) node.targeting->SetRate(id, links.Find(id)->receive_rate());
}

TargetPod Hub::Impl::TargetPodOf(const Pod& pod) {
  TargetPod target;
  target.uid = pod.uid;
  target.name = pod.ns + "/" + pod.name;
  target.terms = std::make_shared<FleetTerms>(*pod.terms);
  target.priority = pod.workload->priority;
  target.created = pod.created;
  target.claim = pod.claim;
  target.frozen = pod.finished;
  for (const auto& [host, instance] : pod.instances) {
    if (instance.targeted) target.current.insert(host);
    if (instance.finished) target.finished.insert(host);
    const HostState* state = FindHost(host);
    if (state == nullptr || !state->known()) target.unproved.insert(host);
  }
  // What manifests hold goes before what was noted: that may be of an older store.
  if (const auto chosen = placements.find(pod.uid); chosen != placements.end()) {
    for (const HostId& host : chosen->second) {
      if (target.current.size() >= static_cast<std::size_t>(pod.terms->hosts)) break;
      target.current.insert(host);
    }
  }
  for (const HostId& host : target.current) {
    const auto ends = AutonomyEnds(pod, host);
    if (ends && *ends <= d.loop.Now()) target.expired.insert(host);
  }
  return target;
}

void Hub::Impl::SetTargetPods(NodeState& node, const std::set<PodUid>* only) {
  const auto look = [&](const PodUid& uid, Pod* pod) {
    if (pod == nullptr || pod->node != node.name || !pod->workload || !pod->terms || pod->stop)
      return node.targeting->RemovePod(uid);
#ifdef SLICELET_PLANTS
    if (sim::Planted(sim::Plant::kRetargetFinishedPod)) pod->finished = false;
#endif
    node.targeting->SetPod(TargetPodOf(*pod));
  };
  if (only != nullptr) {
    for (const PodUid& uid : *only) look(uid, book.Find(uid));
  } else {
    for (Pod* pod : book.OnNode(node.name)) look(pod->uid, pod);
  }
}

bool Hub::Impl::MayChoose(const NodeState& node) {
  // The hub has just started: the best host may be one that is about to come back.
  if (d.loop.Now() - started >= kFleetSilence) return true;
  return std::none_of(hosts.begin(), hosts.end(), [&](const auto& entry) {
    return links.Find(entry.first)->reach() == Reach::kUnknown && node.targeting->Has(entry.first);
  });
}

// ---- What follows

void Hub::Impl::RetargetNode(NodeState& node) {
  const std::set<HostId> changed_hosts = std::exchange(node.changed_hosts, {});
  const std::set<PodUid> changed_pods = std::exchange(node.changed_pods, {});
  const bool all = node.targeting == nullptr;
  if (all) node.targeting = std::make_unique<Targeting>();
  SetTargetPods(node, all ? nullptr : &changed_pods);
  SetTargetHosts(node, all ? nullptr : &changed_hosts);
  const bool by_traffic = std::any_of(book.pods().begin(), book.pods().end(), [&node](const auto& entry) {
    const Pod& pod = entry.second;
    return pod.node == node.name && pod.terms && pod.terms->placement == FleetTerms::Placement::kTrafficMost;
  });
  if (by_traffic) SetRates(node);
  for (const auto& [uid, changes] : node.targeting->Run(MayChoose(node))) {
    Pod* pod = book.Find(uid);
    if (pod != nullptr) ApplyTargets(*pod, changes, all || changed_pods.count(uid) != 0);
  }
  PlacesChanged();
}

void Hub::Impl::ApplyTargets(Pod& pod, const std::map<HostId, std::optional<TargetVerdict>>& changes,
                             bool whole) {
  HubStore::Batch batch;
  std::set<HostId> changed;
  std::vector<HostId> dropped;
  const auto withdraw = [&](const HostId& id, Instance& instance) {
    const HostState* host = FindHost(id);
    if (host == nullptr || !host->manifest->Holds(pod.uid)) {
      dropped.push_back(id);
      return;
    }
    if (instance.targeted || !instance.stop) changed.insert(id);
    instance.targeted = false;
    instance.superseded.clear();
    if (!instance.stop) instance.stop = GraceOf(pod);
  };
  for (const auto& [id, verdict] : changes) {
    if (!verdict) {
      const auto it = pod.instances.find(id);
      if (it != pod.instances.end()) withdraw(id, it->second);
      continue;
    }
    const auto [it, inserted] = pod.instances.try_emplace(id);
    Instance& instance = it->second;
    if (inserted || !instance.targeted || instance.superseded != verdict->superseded) changed.insert(id);
    instance.targeted = true;
    instance.superseded = verdict->superseded;
    instance.winner = verdict->winner;
    const HostState* host = FindHost(id);
    if (!verdict->superseded.empty() && !instance.stop && host != nullptr && host->manifest->Holds(pod.uid))
      instance.stop = GraceOf(pod);
  }
  if (whole) {
    for (auto& [id, instance] : pod.instances) {
      if (changes.count(id) == 0) withdraw(id, instance);
    }
  }
  for (const HostId& id : dropped) DropInstance(pod, id, batch);
  Commit(std::move(batch));
  // Also where nothing has changed: what was noted may be of an older store.
  SavePlacement(pod);
  if (changed.empty() && dropped.empty()) return;
  LogInfo("pod targeted", {{"node", pod.node},
                           {"uid", pod.uid},
                           {"hosts", static_cast<std::uint64_t>(pod.instances.size())},
                           {"changed", static_cast<std::uint64_t>(changed.size() + dropped.size())}});
  for (const HostId& id : changed) {
    if (HostState* host = FindHost(id)) host->manifest->Touch();
  }
  // What is free there differs for other fleet nodes, and what is being stopped takes its room for a while.
  for (const HostId& id : changed) RetargetLater(id);
  for (const HostId& id : dropped) RetargetLater(id);
  SummarizeLater(pod.uid);
}

// ---- Hosts that are away for too long

std::optional<MonotonicTime> Hub::Impl::AutonomyEnds(const Pod& pod, const HostId& host) {
  if (!Chooses(pod) || !pod.workload || pod.workload->autonomy <= Duration::zero()) return std::nullopt;
  const HostState* state = FindHost(host);
  if (state == nullptr || !state->away) return std::nullopt;
  return *state->away + std::min(pod.workload->autonomy, kForever) + kAutonomyMargin;
}

void Hub::Impl::WatchAutonomy() {
  std::optional<MonotonicTime> next;
  for (const auto& [uid, pod] : book.pods()) {
    if (!Chooses(pod) || pod.stop || pod.finished) continue;
    for (const auto& [host, instance] : pod.instances) {
      const auto ends = instance.targeted ? AutonomyEnds(pod, host) : std::nullopt;
      if (ends && *ends > d.loop.Now() && (!next || *ends < *next)) next = ends;
    }
  }
  if (!next) return autonomy_ends.Cancel();
  autonomy_ends.Set(*next - d.loop.Now(), [this] {
    for (const auto& [uid, pod] : book.pods()) {
      const bool ended = std::any_of(pod.instances.begin(), pod.instances.end(), [&](const auto& entry) {
        const auto ends = AutonomyEnds(pod, entry.first);
        return ends && *ends <= d.loop.Now();
      });
      if (ended) RetargetLater(pod);
    }
  });
}

}  // namespace slicelet::provider
