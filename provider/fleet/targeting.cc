#include "provider/fleet/targeting.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "provider/fleet/contest.h"

namespace slicelet::provider {
namespace {

using Placement = FleetTerms::Placement;

constexpr std::uint64_t kMaxRate = std::numeric_limits<std::int64_t>::max();

/// Of a host and a pod that chooses: the host with the highest goes first.
std::int64_t RankOf(Placement placement, const Room& free, const TargetPod& pod, const TargetHost& host) {
  switch (placement) {
    case Placement::kAll:
    case Placement::kWorstFit:
      return MaxReplicas(free, RoomOf(pod.claim));
    case Placement::kBestFit:
      return -MaxReplicas(free, RoomOf(pod.claim));
    case Placement::kTrafficMost:
      // What a host tells may be anything.
      return static_cast<std::int64_t>(std::min<std::uint64_t>(host.receive_rate.value_or(0), kMaxRate));
  }
  return 0;
}

/// What is left there for new pods.
Room FreeOf(const TargetHost& host, const Room& load) {
  return Room{host.allocatable_cpu_milli, host.allocatable_memory_bytes} - load;
}

}  // namespace

Room RoomOf(const HostClaim& claim) {
  return {claim.cpu_milli + claim.without_cpu * Room::kDefaultCpuMilli,
          claim.memory_bytes + claim.without_memory * Room::kDefaultMemoryBytes};
}

bool Targeting::InOrder::operator()(const PodEntry* a, const PodEntry* b) const {
  return GoesFirst(a->pod, b->pod);
}

// ---- What changed

void Targeting::SetHost(TargetHost host) {
  const auto [it, inserted] = hosts_.try_emplace(host.id);
  HostEntry& entry = it->second;
  const bool same = !inserted && entry.host.facts == host.facts && entry.host.heard == host.heard &&
                    entry.host.takes_new == host.takes_new;
  if (!same) {
    if (!inserted) index_.Remove(&entry, entry.host.facts);
    index_.Add(&entry, host.facts);
    // Who is there stays the same else.
    dirty_hosts_.insert(it->first);
  }
  touched_.insert(&entry);
  entry.host = std::move(host);
}

void Targeting::SetRate(const HostId& host, std::optional<std::uint64_t> receive_rate) {
  const auto it = hosts_.find(host);
  if (it != hosts_.end()) it->second.host.receive_rate = receive_rate;
}

void Targeting::RemoveHost(const HostId& host) {
  const auto it = hosts_.find(host);
  if (it == hosts_.end()) return;
  for (PodEntry* pod : std::vector<PodEntry*>(it->second.members)) {
    // What is over keeps its hosts, whoever they are.
    if (pod->pod.frozen) {
      pod->verdicts[host] = {};
      Change(*pod, host);
    } else {
      Leave(*pod, host);
    }
  }
  index_.Remove(&it->second, it->second.host.facts);
  dirty_hosts_.erase(host);
  touched_.erase(&it->second);
  hosts_.erase(it);
}

void Targeting::SetPod(TargetPod pod) {
  const auto [it, inserted] = pods_.try_emplace(pod.uid);
  PodEntry& entry = it->second;
  if (!inserted) Detach(entry);
  changed_[it->first].insert(pod.current.begin(), pod.current.end());
  entry.pod = std::move(pod);
  entry.dirty = true;
  dirty_pods_.insert(it->first);
}

void Targeting::RemovePod(const PodUid& pod) {
  const auto it = pods_.find(pod);
  if (it == pods_.end()) return;
  Detach(it->second);
  dirty_pods_.erase(pod);
  changed_.erase(pod);
  pods_.erase(it);
}

void Targeting::Detach(PodEntry& pod) {
  short_.erase(&pod);
  for (const auto& [id, verdict] : pod.verdicts) {
    Change(pod, id);
    const auto host = hosts_.find(id);
    if (host == hosts_.end()) continue;
    std::erase(host->second.members, &pod);
    touched_.insert(&host->second);
  }
  pod.verdicts.clear();
  pod.looks_everywhere = true;
}

// ---- Deciding

Targeting::Changes Targeting::Run(bool choose) {
  std::vector<PodEntry*> clean;
  for (auto& [uid, pod] : pods_) {
    if (!pod.dirty) clean.push_back(&pod);
  }
  for (const HostId& id : dirty_hosts_) {
    HostEntry& host = hosts_.at(id);
    for (PodEntry* pod : clean) Review(*pod, host);
  }
  PlaceAll();
  for (HostEntry* host : touched_) Settle(*host);
  if (choose) {
    ChooseAll();
  } else {
    for (PodEntry* pod : short_) pod->looks_everywhere = true;
  }
  Changes changes;
  for (const auto& [uid, changed] : changed_) {
    const auto pod = pods_.find(uid);
    if (pod == pods_.end()) continue;
    auto& out = changes[uid];
    for (const HostId& host : changed) {
      const auto verdict = pod->second.verdicts.find(host);
      out[host] = verdict == pod->second.verdicts.end() ? std::nullopt : std::optional(verdict->second);
    }
  }
  for (const PodUid& uid : dirty_pods_) {
    PodEntry& pod = pods_.at(uid);
    pod.dirty = false;
    changes[uid].insert(pod.verdicts.begin(), pod.verdicts.end());
  }
  changed_.clear();
  dirty_hosts_.clear();
  dirty_pods_.clear();
  touched_.clear();
  return changes;
}

bool Targeting::Selects(const PodEntry& pod, const HostEntry& host, bool current) {
  const TargetCondition& condition = pod.pod.terms->condition;
  if (!host.host.heard && condition.AsksTheHost()) return current;
  return condition.Matches(host.host.facts);
}

template <typename Visit>
void Targeting::ForCandidates(const PodEntry& pod, Visit visit) {
  const auto& demand = pod.pod.terms->condition.demand();
  if (!demand) {
    for (auto& [id, host] : hosts_) visit(host);
    return;
  }
  index_.Find(*demand, visit);
}

void Targeting::PlaceAll() {
  // Host after host, while what is asked of it is at hand, where every host is asked.
  std::vector<PodEntry*> asking;
  for (const PodUid& uid : dirty_pods_) {
    PodEntry& pod = pods_.at(uid);
    if (pod.pod.frozen) {
      PlaceFrozen(pod);
    } else if (!pod.pod.terms->condition.demand()) {
      asking.push_back(&pod);
    } else {
      ForCandidates(pod, [&](HostEntry& host) { Consider(pod, host); });
      // Of hosts that were not heard yet it is not known what they have.
      for (const HostId& id : pod.pod.current) {
        const auto host = hosts_.find(id);
        if (host != hosts_.end() && !host->second.host.heard) Consider(pod, host->second);
      }
    }
  }
  if (!asking.empty()) {
    for (auto& [id, host] : hosts_) {
      for (PodEntry* pod : asking) Consider(*pod, host);
    }
  }
  for (const PodUid& uid : dirty_pods_) Trim(pods_.at(uid));
}

void Targeting::PlaceFrozen(PodEntry& pod) {
  for (const HostId& id : pod.pod.current) {
    const auto host = hosts_.find(id);
    if (host == hosts_.end())
      pod.verdicts[id] = {};
    else
      Join(pod, host->second);
  }
}

void Targeting::Consider(PodEntry& pod, HostEntry& host) {
  const bool all = pod.pod.terms->placement == Placement::kAll;
  const bool current = !pod.pod.current.empty() && pod.pod.current.count(host.host.id) != 0;
  if ((current || (all && host.host.takes_new)) && Selects(pod, host, current)) Join(pod, host);
}

void Targeting::Trim(PodEntry& pod) {
  if (pod.pod.frozen || pod.pod.terms->placement == Placement::kAll) return;
  const auto wanted = static_cast<std::size_t>(pod.pod.terms->hosts);
  for (const auto* some : {&pod.pod.expired, &pod.pod.unproved}) {
    for (auto it = some->rbegin(); it != some->rend() && pod.verdicts.size() > wanted; ++it) Leave(pod, *it);
  }
  while (pod.verdicts.size() > wanted) Leave(pod, HostId(pod.verdicts.rbegin()->first));
  if (Lacks(pod) > 0) short_.insert(&pod);
}

void Targeting::Review(PodEntry& pod, HostEntry& host) {
  const bool current = pod.verdicts.count(host.host.id) != 0;
  const bool all = pod.pod.terms->placement == Placement::kAll;
  if (pod.pod.frozen) {
    if (current) Join(pod, host);
  } else if ((current || (all && host.host.takes_new)) && Selects(pod, host, current)) {
    if (!current) Join(pod, host);
  } else if (current) {
    Leave(pod, host.host.id);
  }
}

void Targeting::Join(PodEntry& pod, HostEntry& host) {
  const auto at = std::lower_bound(host.members.begin(), host.members.end(), &pod, InOrder());
  if (at != host.members.end() && *at == &pod) return;
  host.members.insert(at, &pod);
  pod.verdicts.try_emplace(host.host.id);
  touched_.insert(&host);
  Change(pod, host.host.id);
}

void Targeting::Leave(PodEntry& pod, const HostId& id) {
  if (pod.verdicts.erase(id) == 0) return;
  Change(pod, id);
  HostEntry& host = hosts_.at(id);
  std::erase(host.members, &pod);
  touched_.insert(&host);
  if (pod.pod.terms->placement == Placement::kAll || Lacks(pod) == 0) return;
  pod.looks_everywhere = true;
  short_.insert(&pod);
}

void Targeting::Settle(HostEntry& host) {
  std::vector<PodEntry*> entries;
  std::vector<const TargetPod*> here;
  for (PodEntry* member : host.members) {
    if (member->pod.finished.count(host.host.id) != 0) continue;
    entries.push_back(member);
    here.push_back(&member->pod);
  }
  const std::vector<TargetVerdict> verdicts = Contest(host.host, here);
  host.load = RoomOf(host.host.taken);
  host.load += host.host.leaving;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (verdicts[i].superseded.empty()) host.load += RoomOf(here[i]->claim);
    TargetVerdict& held = entries[i]->verdicts[host.host.id];
    if (held.superseded == verdicts[i].superseded && held.winner == verdicts[i].winner) continue;
    held = verdicts[i];
    Change(*entries[i], host.host.id);
  }
}

// ---- Choosing

std::size_t Targeting::Lacks(const PodEntry& pod) {
  const auto settled = static_cast<std::size_t>(
      std::count_if(pod.verdicts.begin(), pod.verdicts.end(),
                    [&pod](const auto& entry) { return pod.pod.expired.count(entry.first) == 0; }));
  const auto wanted = static_cast<std::size_t>(pod.pod.terms->hosts);
  return settled < wanted ? wanted - settled : 0;
}

bool Targeting::HasRoom(const PodEntry& pod, const HostEntry& host) {
  // Of a host that has not told its size nothing is known to be free.
  return host.host.allocatable_cpu_milli > 0 && host.host.allocatable_memory_bytes > 0 &&
         MaxReplicas(FreeOf(host.host, host.load), RoomOf(pod.pod.claim)) > 0;
}

std::string Targeting::LosesTo(const PodEntry& pod, const HostEntry& host) {
  // What has room beside all others can lose a port or the base deployment only.
  if (pod.pod.terms->layered && pod.pod.claim.ports.empty()) return "";
  std::vector<const TargetPod*> here;
  for (const PodEntry* member : host.members) {
    if (member->pod.finished.count(host.host.id) == 0) here.push_back(&member->pod);
  }
  const auto at =
      here.insert(std::lower_bound(here.begin(), here.end(), &pod.pod,
                                   [](const TargetPod* a, const TargetPod* b) { return GoesFirst(*a, *b); }),
                  &pod.pod);
  return Contest(host.host, here)[static_cast<std::size_t>(at - here.begin())].superseded;
}

void Targeting::ChooseAll() {
  // Who goes from a host may make room for somebody who was looked at before.
  bool again = true;
  while (again) {
    again = false;
    for (PodEntry* pod : std::vector<PodEntry*>(short_.begin(), short_.end())) {
      again = Choose(*pod) || again;
      if (Lacks(*pod) == 0) short_.erase(pod);
    }
  }
}

bool Targeting::Choose(PodEntry& pod) {
  struct Candidate {
    std::int64_t rank = 0;
    HostEntry* host = nullptr;
  };
  std::vector<Candidate> candidates;
  const auto consider = [&](HostEntry& host) {
    if (!host.host.takes_new || !host.host.reachable || !HasRoom(pod, host) || !Selects(pod, host, false) ||
        pod.verdicts.count(host.host.id) != 0 || pod.pod.finished.count(host.host.id) != 0 ||
        pod.pod.expired.count(host.host.id) != 0)
      return;
    candidates.push_back(
        {RankOf(pod.pod.terms->placement, FreeOf(host.host, host.load), pod.pod, host.host), &host});
  };
  // Where nothing has changed there was no place for it before.
  if (std::exchange(pod.looks_everywhere, false)) {
    ForCandidates(pod, consider);
  } else {
    for (HostEntry* host : touched_) consider(*host);
  }
  // The last is the best; of equals the first by name.
  const auto worse = [](const Candidate& a, const Candidate& b) {
    return a.rank != b.rank ? a.rank < b.rank : b.host->host.id < a.host->host.id;
  };
  std::make_heap(candidates.begin(), candidates.end(), worse);
  bool found = false;
  for (std::size_t lacks = Lacks(pod); lacks > 0 && !candidates.empty(); candidates.pop_back()) {
    std::pop_heap(candidates.begin(), candidates.end(), worse);
    HostEntry& best = *candidates.back().host;
    if (!LosesTo(pod, best).empty()) continue;
    Join(pod, best);
    Settle(best);
    found = true;
    --lacks;
  }
  return GiveUpExpired(pod) || found;
}

bool Targeting::GiveUpExpired(PodEntry& pod) {
  const auto wanted = static_cast<std::size_t>(pod.pod.terms->hosts);
  bool gave = false;
  for (auto it = pod.pod.expired.rbegin(); it != pod.pod.expired.rend() && pod.verdicts.size() > wanted;
       ++it) {
    if (pod.verdicts.count(*it) == 0) continue;
    Leave(pod, *it);
    Settle(hosts_.at(*it));
    gave = true;
  }
  return gave;
}

// ---- What was decided

Targets Targeting::All() const {
  Targets all;
  for (const auto& [uid, pod] : pods_) all[uid] = pod.verdicts;
  return all;
}

Targets SelectTargets(const std::vector<TargetPod>& pods, const std::vector<TargetHost>& hosts) {
  Targeting targeting;
  for (const TargetHost& host : hosts) targeting.SetHost(host);
  for (const TargetPod& pod : pods) targeting.SetPod(pod);
  targeting.Run();
  return targeting.All();
}

}  // namespace slicelet::provider
