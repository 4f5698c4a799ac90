#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "provider/fleet/targeting.h"

/// What `Targeting` has to decide, as docs/fleet.md tells it, in the simplest words: everything is looked at
/// anew at every step, and room is counted by putting one after the other there. It shares the types with
/// what it checks, and no code.
namespace slicelet::provider::naive {

using Pods = std::map<PodUid, TargetPod>;
using Hosts = std::map<HostId, TargetHost>;
using Places = std::map<PodUid, std::set<HostId>>;

/// What a workload counts as: a container that leaves its request out as 100m and 64Mi.
inline Room Counted(const HostClaim& claim) {
  Room room{claim.cpu_milli, claim.memory_bytes};
  for (int i = 0; i < claim.without_cpu; ++i) room.cpu_milli += 100;
  for (int i = 0; i < claim.without_memory; ++i) room.memory_bytes += 64 * 1'024 * 1'024;
  return room;
}

/// How many of `one` have room. What takes nothing has room a million times.
inline std::int64_t RoomFor(const Room& one, Room free) {
  if (free.cpu_milli < 0 || free.memory_bytes < 0) return 0;
  if (one.cpu_milli == 0 && one.memory_bytes == 0) return 1'000'000;
  for (std::int64_t there = 0;; ++there) {
    free = free - one;
    if (free.cpu_milli < 0 || free.memory_bytes < 0) return there;
  }
}

/// Whoever comes first gets it: higher priority, then older.
inline bool ComesFirst(const TargetPod* a, const TargetPod* b) {
  return std::make_tuple(-a->priority, a->created, a->uid) <
         std::make_tuple(-b->priority, b->created, b->uid);
}
/// Between base deployments the newer one.
inline bool IsBaseBefore(const TargetPod* a, const TargetPod* b) {
  return std::make_tuple(-a->priority, -a->created, a->uid) <
         std::make_tuple(-b->priority, -b->created, b->uid);
}

/// Why `pod` does not run on the host beside `runs`, which got their places before; empty: it does.
inline TargetVerdict LostThere(const TargetHost& host, const TargetPod& pod,
                               const std::vector<const TargetPod*>& runs) {
  for (const auto& port : pod.claim.ports) {
    const std::string what = " has host port " + std::to_string(port.second) + "/" + port.first;
    if (host.taken.ports.count(port) != 0) return {PodUid(), "a pod of the host's node" + what};
    for (const TargetPod* other : runs) {
      if (other->claim.ports.count(port) != 0) return {other->uid, "pod " + other->name + what};
    }
  }
  if (runs.empty()) return {};
  // By what is asked for, as the host itself admits.
  std::int64_t cpu = host.taken.cpu_milli + pod.claim.cpu_milli;
  std::int64_t memory = host.taken.memory_bytes + pod.claim.memory_bytes;
  for (const TargetPod* other : runs) {
    cpu += other->claim.cpu_milli;
    memory += other->claim.memory_bytes;
  }
  if ((host.allocatable_cpu_milli != 0 && cpu > host.allocatable_cpu_milli) ||
      (host.allocatable_memory_bytes != 0 && memory > host.allocatable_memory_bytes)) {
    return {runs.back()->uid, "pod " + runs.back()->name + " and others leave too little CPU or memory"};
  }
  return {};
}

/// Who is at a host, and what they get there.
inline std::map<PodUid, TargetVerdict> VerdictsAt(const TargetHost& host, const Pods& pods,
                                                  const Places& places) {
  std::vector<const TargetPod*> here, bases, runs;
  for (const auto& [uid, pod] : pods) {
    if (places.at(uid).count(host.id) == 0 || pod.finished.count(host.id) != 0) continue;
    here.push_back(&pod);
    if (!pod.terms->layered) bases.push_back(&pod);
  }
  std::sort(here.begin(), here.end(), ComesFirst);
  std::sort(bases.begin(), bases.end(), IsBaseBefore);
  std::map<PodUid, TargetVerdict> verdicts;
  for (const TargetPod* pod : here) {
    TargetVerdict& verdict = verdicts[pod->uid];
    if (!pod->terms->layered && pod != bases.front()) {
      verdict = {bases.front()->uid, "pod " + bases.front()->name + " has the host's base deployment"};
    } else {
      verdict = LostThere(host, *pod, runs);
      if (verdict.superseded.empty()) runs.push_back(pod);
    }
  }
  return verdicts;
}

/// What is allocatable less all that runs there or is about to.
inline Room FreeAt(const TargetHost& host, const Pods& pods, const Places& places) {
  Room free{host.allocatable_cpu_milli, host.allocatable_memory_bytes};
  free = free - Counted(host.taken) - host.leaving;
  for (const auto& [uid, verdict] : VerdictsAt(host, pods, places)) {
    if (verdict.superseded.empty()) free = free - Counted(pods.at(uid).claim);
  }
  return free;
}

inline bool Selects(const TargetPod& pod, const TargetHost& host) {
  // What is not known of it stays as it is.
  if (!host.heard && pod.terms->condition.AsksTheHost()) return pod.current.count(host.id) != 0;
  return pod.terms->condition.Matches(host.facts);
}

/// How good a host is for one more of the pod; nullopt where it can not be.
inline std::optional<std::uint64_t> RankAt(const TargetHost& host, const TargetPod& pod, const Pods& pods,
                                           Places places) {
  if (!host.takes_new || !host.reachable || places.at(pod.uid).count(host.id) != 0) return std::nullopt;
  // It is over there, or the host was away for too long.
  if (pod.finished.count(host.id) != 0 || pod.expired.count(host.id) != 0) return std::nullopt;
  if (!host.heard && pod.terms->condition.AsksTheHost()) return std::nullopt;
  if (!pod.terms->condition.Matches(host.facts)) return std::nullopt;
  if (host.allocatable_cpu_milli == 0 || host.allocatable_memory_bytes == 0) return std::nullopt;
  const std::int64_t replicas = RoomFor(Counted(pod.claim), FreeAt(host, pods, places));
  if (replicas == 0) return std::nullopt;
  places[pod.uid].insert(host.id);
  if (!VerdictsAt(host, pods, places).at(pod.uid).superseded.empty()) return std::nullopt;
  const auto many = static_cast<std::uint64_t>(replicas);
  if (pod.terms->placement == FleetTerms::Placement::kWorstFit) return many;
  if (pod.terms->placement == FleetTerms::Placement::kBestFit) return 1'000'000 - many;
  return host.receive_rate.value_or(0);
}

/// The hosts that pods keep, and those that all-pods get, before anybody chooses.
inline Places Kept(const Pods& pods, const Hosts& hosts) {
  Places places;
  for (const auto& [uid, pod] : pods) {
    std::set<HostId>& at = places[uid];
    if (pod.frozen) {
      at = pod.current;
      continue;
    }
    const bool all = pod.terms->placement == FleetTerms::Placement::kAll;
    for (const auto& [id, host] : hosts) {
      if (!Selects(pod, host)) continue;
      if (pod.current.count(id) != 0 || (all && host.takes_new)) at.insert(id);
    }
    if (all) continue;
    // It has too many: those that it would give up anyhow go first, and the last by name.
    const auto wanted = static_cast<std::size_t>(pod.terms->hosts);
    for (auto id = pod.expired.rbegin(); id != pod.expired.rend() && at.size() > wanted; ++id) at.erase(*id);
    while (at.size() > wanted) at.erase(std::prev(at.end()));
  }
  return places;
}

/// One pod chooses what it lacks, and gives up what it has others for. False: nothing changed.
inline bool Choose(const TargetPod& pod, const Pods& pods, const Hosts& hosts, Places& places) {
  std::set<HostId>& at = places[pod.uid];
  const auto wanted = static_cast<std::size_t>(pod.terms->hosts);
  const auto settled = [&] {
    return static_cast<std::size_t>(
        std::count_if(at.begin(), at.end(), [&](const HostId& id) { return pod.expired.count(id) == 0; }));
  };
  bool changed = false;
  while (settled() < wanted) {
    std::optional<std::pair<std::uint64_t, HostId>> best;
    for (const auto& [id, host] : hosts) {
      const auto rank = RankAt(host, pod, pods, places);
      if (rank && (!best || *rank > best->first)) best = {*rank, id};
    }
    if (!best) break;
    at.insert(best->second);
    changed = true;
  }
  for (auto id = pod.expired.rbegin(); id != pod.expired.rend() && at.size() > wanted; ++id) {
    if (at.erase(*id) != 0) changed = true;
  }
  return changed;
}

/// Where all pods are in the end.
inline Places PlacesOf(const Pods& pods, const Hosts& hosts, bool choose = true) {
  Places places = Kept(pods, hosts);
  std::vector<const TargetPod*> order;
  for (const auto& [uid, pod] : pods) {
    if (!pod.frozen && pod.terms->placement != FleetTerms::Placement::kAll) order.push_back(&pod);
  }
  std::sort(order.begin(), order.end(), ComesFirst);
  for (bool again = choose; again;) {
    again = false;
    for (const TargetPod* pod : order) again = Choose(*pod, pods, hosts, places) || again;
  }
  return places;
}

inline Targets TargetsOf(const Places& places, const Pods& pods, const Hosts& hosts) {
  Targets targets;
  for (const auto& [uid, at] : places) {
    for (const HostId& id : at) targets[uid][id] = {};
    targets[uid];
  }
  for (const auto& [id, host] : hosts) {
    for (const auto& [uid, verdict] : VerdictsAt(host, pods, places)) targets[uid][id] = verdict;
  }
  return targets;
}

}  // namespace slicelet::provider::naive
