#include "provider/fleet/contest.h"

#include <algorithm>
#ifdef SLICELET_PLANTS
#include "tests/sim/plants.h"
#endif

namespace slicelet::provider {
namespace {

/// As `GoesFirst`, for base deployments: IoT Edge lets the newest win a tie.
bool IsBaseBefore(const TargetPod& a, const TargetPod& b) {
  if (a.priority != b.priority) return a.priority > b.priority;
  if (a.created != b.created) return a.created > b.created;
  return a.uid < b.uid;
}

/// What is asked for, without defaults: what the host itself admits by.
bool Fits(const TargetHost& host, const Room& load, const HostClaim& claim) {
  return (host.allocatable_cpu_milli == 0 ||
          load.cpu_milli + claim.cpu_milli <= host.allocatable_cpu_milli) &&
         (host.allocatable_memory_bytes == 0 ||
          load.memory_bytes + claim.memory_bytes <= host.allocatable_memory_bytes);
}

TargetVerdict LostTo(const TargetPod* winner, const std::string& why) {
  TargetVerdict verdict;
  if (winner != nullptr) verdict.winner = winner->uid;
  verdict.superseded =
      (winner != nullptr ? "pod " + winner->name : std::string("a pod of the host's node")) + " " + why;
  return verdict;
}

}  // namespace

bool GoesFirst(const TargetPod& a, const TargetPod& b) {
  if (a.priority != b.priority) return a.priority > b.priority;
  if (a.created != b.created) return a.created < b.created;
  return a.uid < b.uid;
}

std::vector<TargetVerdict> Contest(const TargetHost& host, const std::vector<const TargetPod*>& pods) {
  const TargetPod* base = nullptr;
  for (const TargetPod* pod : pods) {
    if (!pod->terms->layered && (base == nullptr || IsBaseBefore(*pod, *base))) base = pod;
  }
  std::map<std::pair<std::string, int>, const TargetPod*> ports;
  for (const auto& port : host.taken.ports) ports.emplace(port, nullptr);
  Room load{host.taken.cpu_milli, host.taken.memory_bytes};
  const TargetPod* last = nullptr;
  std::vector<TargetVerdict> verdicts;
  verdicts.reserve(pods.size());
  for (const TargetPod* pod : pods) {
    TargetVerdict& verdict = verdicts.emplace_back();
    if (!pod->terms->layered && pod != base) {
      verdict = LostTo(base, "has the host's base deployment");
      continue;
    }
#ifdef SLICELET_PLANTS
    if (sim::Planted(sim::Plant::kShareHostPort)) ports.clear();
#endif
    const auto taken = std::find_if(pod->claim.ports.begin(), pod->claim.ports.end(),
                                    [&](const auto& port) { return ports.count(port) != 0; });
    if (taken != pod->claim.ports.end()) {
      verdict = LostTo(ports[*taken], "has host port " + std::to_string(taken->second) + "/" + taken->first);
      continue;
    }
    // Alone it is the host that says that it is too large.
    if (last != nullptr && !Fits(host, load, pod->claim)) {
      verdict = LostTo(last, "and others leave too little CPU or memory");
      continue;
    }
    for (const auto& port : pod->claim.ports) ports.emplace(port, pod);
    load += {pod->claim.cpu_milli, pod->claim.memory_bytes};
    last = pod;
  }
  return verdicts;
}

}  // namespace slicelet::provider
