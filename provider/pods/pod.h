#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/base/ids.h"
#include "common/base/time.h"
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
  std::vector<ContentId> contents;
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

  std::optional<v1::WorkloadStatus> status;
};

}  // namespace slicelet::provider
