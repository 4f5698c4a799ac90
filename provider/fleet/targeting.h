#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/base/ids.h"
#include "provider/fleet/fleet_terms.h"

namespace slicelet::provider {

/// What a workload takes of a host that another one can not have too.
struct HostClaim {
  /// Protocol and number.
  std::set<std::pair<std::string, int>> ports;
  std::int64_t cpu_milli = 0;
  std::int64_t memory_bytes = 0;
};

/// A host as the pods of one fleet node see it.
struct TargetHost {
  HostId id;
  TargetFacts facts;
  /// Its reported properties are known; before, what asks for them stays as it is.
  bool heard = true;
  /// False in maintenance: it keeps what it has.
  bool takes_new = true;
  /// For choosing; a chosen host stays chosen while it is away.
  bool reachable = true;
  /// 0: unknown, and then no limit.
  std::int64_t allocatable_cpu_milli = 0;
  std::int64_t allocatable_memory_bytes = 0;
  /// What runs there and is not this node's.
  HostClaim taken;
};

/// A pod of the fleet node.
struct TargetPod {
  PodUid uid;
  /// NAMESPACE/NAME, for messages.
  std::string name;
  const FleetTerms* terms = nullptr;
  std::int32_t priority = 0;
  /// Orders pods by age; Unix nanoseconds.
  std::int64_t created = 0;
  HostClaim claim;
  /// Its hosts so far.
  std::set<HostId> current;
  /// Its instances there are over and take nothing any more.
  std::set<HostId> finished;
  /// It is over, or is being removed: nothing changes any more.
  bool frozen = false;
};

/// What one host is to a pod.
struct TargetVerdict {
  /// Who has what the pod would need, and why; empty: it runs there.
  PodUid winner;
  std::string superseded;
};

using Targets = std::map<PodUid, std::map<HostId, TargetVerdict>>;

/// Decides which hosts each pod of a fleet node is for, and which of two that can not share a host gets it:
/// higher priority first, then age (the older one; between base deployments the newer one, as in IoT Edge).
/// Pure; hosts that are not in `hosts` are nobody's.
Targets SelectTargets(const std::vector<TargetPod>& pods, const std::vector<TargetHost>& hosts);

}  // namespace slicelet::provider
