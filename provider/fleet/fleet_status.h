#pragma once

#include <string>
#include <vector>

#include "common/base/ids.h"
#include "provider/fleet/fleet_terms.h"
#include "slicelet/v1/workload.pb.h"

namespace slicelet::provider {

/// What one targeted host does with a fleet node's pod.
struct FleetInstance {
  HostId host;
  /// The host has accepted a manifest that holds it.
  bool applied = false;
  bool reachable = true;
  /// Who has its place; empty: nobody.
  std::string superseded;
  /// As the host reported it last; null before.
  const v1::WorkloadStatus* status = nullptr;
  /// Why the host is not given it yet; empty: it is, or soon will be.
  std::string waits;
};

/// The status of a fleet node's pod, made of what its hosts report.
struct FleetStatus {
  v1::WorkloadStatus status;
  /// slicelet.io/Fleet: true when enough hosts are ready; counts, and the worst states with their hosts.
  v1::Condition fleet;
  /// slicelet.io/Placed: false when no host runs it or is about to. Also when true it says where it waits for
  /// something that may never come.
  v1::Condition placed;
};

/// Only ever makes what the API server accepts: the phase is Pending until one host started, then Running
/// until every targeted instance has finished, then Succeeded or Failed, and never goes back. Unless the
/// restart policy is Always, no container, init containers included, is Terminated before the phase is
/// terminal, because a newly targeted host could not be shown any more. A container is Running while any
/// instance runs; restart counts are high-water marks.
///
/// `instances`: one for each targeted host, in order of host ids. `undecided`: hosts that were not heard and
/// may run it too; while there is one the phase is not terminal. `former`: what was shown last, null at
/// first. `node` and `terms` are for messages and for how many hosts are enough. Pure.
FleetStatus Aggregate(const v1::Workload& workload, const FleetTerms& terms, const std::string& node,
                      const std::vector<FleetInstance>& instances, const std::vector<HostId>& undecided,
                      const v1::WorkloadStatus* former);
/// Whether there is a host where it is over.
bool IsOverSomewhere(const std::vector<FleetInstance>& instances);

}  // namespace slicelet::provider
