#include <string>

#include "provider/fleet/contest.h"
#include "provider/fleet/targeting.h"

namespace slicelet::provider {
namespace {

constexpr std::int64_t kMebibyte = std::int64_t{1} << 20;

/// What of it does not fit: "cpu: needs 500m, 200m is free".
std::string Missing(const Room& app, const Room& free) {
  std::string text;
  if (app.cpu_milli > free.cpu_milli) {
    text =
        "cpu: needs " + std::to_string(app.cpu_milli) + "m, " + std::to_string(free.cpu_milli) + "m is free";
  }
  if (app.memory_bytes > free.memory_bytes) {
    text += std::string(text.empty() ? "" : "; ") + "memory: needs " +
            std::to_string(app.memory_bytes / kMebibyte) + "Mi, " +
            std::to_string(free.memory_bytes / kMebibyte) + "Mi is free";
  }
  return text;
}

}  // namespace

std::vector<HostExplanation> Targeting::Explain(const PodUid& pod) const {
  std::vector<HostExplanation> all;
  const auto it = pods_.find(pod);
  if (it == pods_.end()) return all;
  all.reserve(hosts_.size());
  for (const auto& [id, host] : hosts_) {
    HostExplanation& one = all.emplace_back();
    one.host = id;
    Explain(it->second, host, one);
  }
  return all;
}

void Targeting::Explain(const PodEntry& pod, const HostEntry& host, HostExplanation& out) const {
  const TargetHost& facts = host.host;
  const Room app = RoomOf(pod.pod.claim);
  const Room free = Room{facts.allocatable_cpu_milli, facts.allocatable_memory_bytes} - host.load;
  const bool sized = facts.allocatable_cpu_milli > 0 && facts.allocatable_memory_bytes > 0;
  if (sized) {
    out.free = free;
    out.max_replicas = MaxReplicas(free, app);
  }
  out.receive_rate = facts.receive_rate;
  const auto verdict = pod.verdicts.find(facts.id);
  const bool member = verdict != pod.verdicts.end();
  out.matched = Selects(pod, host, member);
  if (member) {
    out.chosen = verdict->second.superseded.empty();
    if (!out.chosen) out.reason = "superseded: " + verdict->second.superseded;
  } else if (!out.matched) {
    out.reason = !facts.heard && pod.pod.terms->condition.AsksTheHost()
                     ? "the condition asks the host, which has not been heard since the hub started"
                     : "condition not met: " + pod.pod.terms->condition.WhyNot(facts.facts);
  } else if (pod.pod.frozen) {
    out.reason = "the pod is over and keeps the hosts it had";
  } else if (!facts.takes_new) {
    out.reason = "in maintenance, takes nothing new: spec.maintenance of the EdgeHost";
  } else if (!facts.reachable) {
    out.reason = "out of reach";
  } else if (!sized) {
    out.reason = "has not told its size";
  } else if (*out.max_replicas == 0) {
    out.reason = "no room: " + Missing(app, free);
  } else if (const std::string winner = LosesTo(pod, host); !winner.empty()) {
    out.reason = winner;
  } else if (Lacks(pod) == 0) {
    out.reason = "eligible, but the pod has its " + std::to_string(pod.pod.terms->hosts) +
                 (pod.pod.terms->hosts == 1 ? " host" : " hosts");
  } else {
    out.reason = "eligible, chosen once the hosts that have not been heard since the hub started are known";
  }
}

}  // namespace slicelet::provider
