#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/base/ids.h"
#include "common/base/time.h"
#include "provider/fleet/fleet_terms.h"
#include "provider/fleet/targeting.h"
#include "slicelet/v1/link.pb.h"
#include "slicelet/v1/manifest.pb.h"
#include "slicelet/v1/provider.pb.h"
#include "slicelet/v1/workload.pb.h"

namespace slicelet::provider {

/// A pod's translation, ready for a manifest.
struct PlacedWorkload {
  std::string bytes;
  Digest digest;
  v1::Role role = v1::ROLE_APP;
  std::int32_t priority = 0;
  Duration autonomy{0};
  /// When the ends of its logs are read to be kept; nullopt: as its host says. It is not the host's business
  /// and needs no new digest.
  std::optional<v1::LogTailRule> log_tails;
  std::vector<ContentId> contents;
  /// Secrets among them of which each host gets its own part only.
  std::set<ContentId> per_host;
};

/// A fleet node's pod on one of its hosts.
struct Instance {
  /// It is to run there, unless somebody else has its place.
  bool targeted = false;
  /// Who has it; empty: nobody.
  std::string superseded;
  PodUid winner;
  /// Why its host is not given it yet, where nobody can tell how long that takes; empty: it is, or soon will
  /// be.
  std::string waits;
  /// Set while it is taken from the host although the pod goes on; only gets smaller.
  std::optional<std::int64_t> stop;
  /// The host says that nothing of it is left; dropped when no manifest of the host holds it any more.
  bool gone = false;
  /// It ended for good: never started anew there.
  bool finished = false;
  std::optional<v1::WorkloadStatus> status;
};

/// What the provider knows of one pod uid: from the shim, from its host's manifest, from its host's reports.
struct Pod {
  PodUid uid;
  NodeName node;
  std::string ns;
  std::string name;

  // From the shim; without a workload and a refusal it is known from the host's manifest only.
  std::int64_t pod_generation = 0;
  std::optional<PlacedWorkload> workload;
  std::optional<v1::Refusal> refusal;
  /// Contents that exist and that the shim has sent or is about to send.
  std::set<ContentId> references;
  bool host_network = false;
  /// Unix nanoseconds.
  std::int64_t created = 0;
  HostClaim claim;
  /// While there is no workload: whether the manifest that holds it told what it takes.
  bool claim_known = false;
  std::int64_t grace_seconds = 30;
  /// Kubernetes, or the host's last report, says that it is over: never started anew on a host that forgot
  /// it.
  bool finished = false;
  std::map<std::string, v1::TokenApply> tokens;
  /// The shim of the present session has shown it or asked about it: reports about it are welcome.
  bool shown = false;

  /// Set once there is evidence of deletion; only gets smaller.
  std::optional<std::int64_t> stop;
  /// The host says that nothing of it is left; the entry goes when no manifest holds it any more.
  bool gone = false;
  /// A restore of the API server undid its deletion after it was gone: what it begins anew with once no
  /// manifest holds it.
  std::optional<v1::PodApply> again;

  /// As its host reported it; of a fleet node's pod what is made of its hosts' reports.
  std::optional<v1::WorkloadStatus> status;

  /// Pods of fleet nodes only.
  std::optional<FleetTerms> terms;
  std::map<HostId, Instance> instances;
  /// slicelet.io/Fleet, slicelet.io/Placed.
  std::vector<v1::Condition> conditions;
  /// Routes of the Azure connector's edgehub, which nothing follows.
  std::vector<std::string> ignored_routes;
  /// Fields that are not honoured, of the pod and of what decides about its workload. Each is told once, in
  /// an event: those that were not yet.
  std::set<std::string> ignored_fields;
  std::vector<std::string> untold_fields;
  /// Kept where ConfigMaps decide about the workload, which may change any time.
  std::optional<v1::PodApply> last_apply;
  /// What Kubernetes showed when the shim applied it: the phase never goes back.
  v1::Phase shown_phase = v1::PHASE_PENDING;
  /// A change that was not understood; the pod goes on as it was.
  std::optional<v1::Refusal> rejected_change;
};

}  // namespace slicelet::provider
