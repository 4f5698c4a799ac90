#include "provider/fleet/targeting.h"

#include <algorithm>
#ifdef SLICELET_PLANTS
#include "tests/sim/plants.h"
#endif

namespace slicelet::provider {
namespace {

/// Of two pods that compete, whether `a` goes first.
bool GoesFirst(const TargetPod& a, const TargetPod& b) {
  if (a.priority != b.priority) return a.priority > b.priority;
  if (a.created != b.created) return a.created < b.created;
  return a.uid < b.uid;
}

/// As `GoesFirst`, for base deployments: IoT Edge lets the newest win a tie.
bool IsBaseBefore(const TargetPod& a, const TargetPod& b) {
  if (a.priority != b.priority) return a.priority > b.priority;
  if (a.created != b.created) return a.created > b.created;
  return a.uid < b.uid;
}

/// The share of the host that is free, of what is scarcest; 1 where nothing is known.
double FreeShare(const TargetHost& host, std::int64_t cpu, std::int64_t memory) {
  double free = 1;
  if (host.allocatable_cpu_milli > 0)
    free = std::min(free, 1 - static_cast<double>(cpu) / static_cast<double>(host.allocatable_cpu_milli));
  if (host.allocatable_memory_bytes > 0)
    free =
        std::min(free, 1 - static_cast<double>(memory) / static_cast<double>(host.allocatable_memory_bytes));
  return free;
}

struct Load {
  std::int64_t cpu_milli = 0;
  std::int64_t memory_bytes = 0;
};

bool Fits(const TargetHost& host, const Load& load, const HostClaim& claim) {
  return (host.allocatable_cpu_milli == 0 ||
          load.cpu_milli + claim.cpu_milli <= host.allocatable_cpu_milli) &&
         (host.allocatable_memory_bytes == 0 ||
          load.memory_bytes + claim.memory_bytes <= host.allocatable_memory_bytes);
}

class Selection {
 public:
  Selection(const std::vector<TargetPod>& pods, const std::vector<TargetHost>& hosts) : hosts_(hosts) {
    for (const TargetHost& host : hosts) loads_[host.id] = {host.taken.cpu_milli, host.taken.memory_bytes};
    for (const TargetPod& pod : pods) order_.push_back(&pod);
    std::sort(order_.begin(), order_.end(),
              [](const TargetPod* a, const TargetPod* b) { return GoesFirst(*a, *b); });
  }

  Targets Run() {
    // Chosen hosts count before new ones are chosen.
    for (const TargetPod* pod : order_) {
      if (pod->terms->placement == FleetTerms::Placement::kAll) continue;
      for (const HostId& host : pod->current) Add(*pod, host);
    }
    for (const TargetPod* pod : order_) Choose(*pod);
    for (const TargetHost& host : hosts_) Compete(host);
    return std::move(targets_);
  }

 private:
  void Add(const TargetPod& pod, const HostId& host) {
    const auto load = loads_.find(host);
    if (load == loads_.end() || pod.finished.count(host) != 0) return;
    load->second.cpu_milli += pod.claim.cpu_milli;
    load->second.memory_bytes += pod.claim.memory_bytes;
  }

  void Choose(const TargetPod& pod) {
    auto& chosen = targets_[pod.uid];
    if (pod.frozen) {
      for (const HostId& host : pod.current) chosen.emplace(host, TargetVerdict{});
      return;
    }
    std::vector<const TargetHost*> candidates;
    for (const TargetHost& host : hosts_) {
      const TargetCondition& condition = pod.terms->condition;
      const bool undecided = !host.heard && condition.AsksTheHost();
      if (undecided ? pod.current.count(host.id) == 0 : !condition.Matches(host.facts)) continue;
      if (pod.current.count(host.id) != 0)
        chosen.emplace(host.id, TargetVerdict{});
      else if (host.takes_new)
        candidates.push_back(&host);
    }
    if (pod.terms->placement == FleetTerms::Placement::kAll) {
      for (const TargetHost* host : candidates) chosen.emplace(host->id, TargetVerdict{});
      return;
    }
    Pick(pod, candidates, chosen);
  }

  void Pick(const TargetPod& pod, std::vector<const TargetHost*> candidates,
            std::map<HostId, TargetVerdict>& chosen) {
    const auto wanted = static_cast<std::size_t>(pod.terms->hosts);
    while (chosen.size() > wanted) chosen.erase(std::prev(chosen.end()));
    std::erase_if(candidates, [&](const TargetHost* host) {
      return !host->reachable || !Fits(*host, loads_[host->id], pod.claim);
    });
    const bool emptiest = pod.terms->placement == FleetTerms::Placement::kWorstFit;
    while (chosen.size() < wanted && !candidates.empty()) {
      const auto share = [this](const TargetHost* host) {
        const Load& load = loads_[host->id];
        return FreeShare(*host, load.cpu_milli, load.memory_bytes);
      };
      // The first of equals, so that the same input gives the same choice.
      const auto better = [&](const TargetHost* a, const TargetHost* b) {
        return emptiest ? share(a) < share(b) : share(a) > share(b);
      };
      const auto best = std::max_element(candidates.begin(), candidates.end(), better);
      chosen.emplace((*best)->id, TargetVerdict{});
      Add(pod, (*best)->id);
      candidates.erase(best);
    }
  }

  /// Who of those that are for this host gets it.
  void Compete(const TargetHost& host) {
    std::vector<const TargetPod*> here;
    for (const TargetPod* pod : order_) {
      const auto& chosen = targets_[pod->uid];
      if (chosen.count(host.id) != 0 && pod->finished.count(host.id) == 0) here.push_back(pod);
    }
    const TargetPod* base = nullptr;
    for (const TargetPod* pod : here) {
      if (!pod->terms->layered && (base == nullptr || IsBaseBefore(*pod, *base))) base = pod;
    }
    std::map<std::pair<std::string, int>, const TargetPod*> ports;
    for (const auto& port : host.taken.ports) ports.emplace(port, nullptr);
    Load load{host.taken.cpu_milli, host.taken.memory_bytes};
    const TargetPod* last = nullptr;
    for (const TargetPod* pod : here) {
      TargetVerdict& verdict = targets_[pod->uid][host.id];
      if (!pod->terms->layered && pod != base) {
        Lose(verdict, base, "has the host's base deployment");
        continue;
      }
#ifdef SLICELET_PLANTS
      if (sim::Planted(sim::Plant::kShareHostPort)) ports.clear();
#endif
      const auto taken = std::find_if(pod->claim.ports.begin(), pod->claim.ports.end(),
                                      [&](const auto& port) { return ports.count(port) != 0; });
      if (taken != pod->claim.ports.end()) {
        Lose(verdict, ports[*taken], "has host port " + std::to_string(taken->second) + "/" + taken->first);
        continue;
      }
      // Alone it is the host that says that it is too large.
      if (last != nullptr && !Fits(host, load, pod->claim)) {
        Lose(verdict, last, "and others leave too little CPU or memory");
        continue;
      }
      for (const auto& port : pod->claim.ports) ports.emplace(port, pod);
      load.cpu_milli += pod->claim.cpu_milli;
      load.memory_bytes += pod->claim.memory_bytes;
      last = pod;
    }
  }

  static void Lose(TargetVerdict& verdict, const TargetPod* winner, const std::string& why) {
    if (winner != nullptr) verdict.winner = winner->uid;
    verdict.superseded =
        (winner != nullptr ? "pod " + winner->name : std::string("a pod of the host's node")) + " " + why;
  }

  const std::vector<TargetHost>& hosts_;
  std::vector<const TargetPod*> order_;
  std::map<HostId, Load> loads_;
  Targets targets_;
};

}  // namespace

Targets SelectTargets(const std::vector<TargetPod>& pods, const std::vector<TargetHost>& hosts) {
  return Selection(pods, hosts).Run();
}

}  // namespace slicelet::provider
