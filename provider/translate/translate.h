#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "common/base/ids.h"
#include "common/base/time.h"
#include "provider/fleet/fleet_terms.h"
#include "provider/translate/connector.h"
#include "slicelet/v1/link.pb.h"
#include "slicelet/v1/manifest.pb.h"
#include "slicelet/v1/provider.pb.h"
#include "slicelet/v1/workload.pb.h"

namespace slicelet::provider {

/// A pod as its hosts will run it.
struct Translation {
  v1::Workload workload;
  v1::Role role = v1::ROLE_APP;
  /// What the role adds; their own `workload` is not set.
  v1::GatewayDeployment gateway;
  v1::ServerDeployment server;
  std::int32_t priority = 0;
  /// 0 is forever.
  Duration autonomy{0};
  /// When the ends of its containers' logs are read to be kept; nullopt: as its host says.
  std::optional<v1::LogTailRule> log_tails;
  /// Everything the workload refers to, sorted: "configmap/NAME", "secret/NAME".
  std::vector<ContentId> contents;
  /// Those of them of which a host gets only what is meant for it (`Referents::ForHost`).
  std::set<ContentId> per_host;
  /// Names of the Credentials it needs ("VOLUME/PATH").
  std::vector<std::string> credentials;
  /// What was in the spec and is not honoured, for one event: field paths, sorted.
  std::vector<std::string> ignored;
  /// On fleet nodes: which hosts.
  std::optional<FleetTerms> fleet;
  /// Of the Azure connector's ConfigMaps, where the pod asks for them.
  ConnectorResult connector;
};

struct TranslateOptions {
  /// DaemonSet pods run only where they tolerate this key by name.
  std::string taint_key = "slicelet.io/slice-node";
  /// Whether pods that do not say `slicelet.io/api-access` get the automatic service account token.
  bool api_access_default = false;
  /// The pod is on a fleet node: its annotations may choose hosts.
  bool fleet = false;
  /// What a pod with isEdgeDeployment may read; null: nothing.
  const ConnectorMaps* connector = nullptr;
};

/// The content id under which edgeagent's registry credentials travel.
inline constexpr char kConnectorRegistry[] = "secret/edgeagent.connector.slicelet.io";

/// Turns a Pod into a Workload, or says which field it can not honour. Pure: no I/O, no clock, the same input
/// gives the same bytes. Follows docs/compatibility.md, which the tests read. `environment` is the shim's
/// resolved list per container; where a container has none its env is taken as literals only.
std::variant<Translation, v1::Refusal> Translate(const nlohmann::json& pod,
                                                 const std::vector<v1::ContainerEnvironment>& environment,
                                                 const TranslateOptions& options = {});

/// The blob of a pod: a `GatewayDeployment`, a `ServerDeployment` or a `Workload`, by its role.
/// Deterministic: equal ones give equal bytes within one version of slicelet. Digests of these bytes never
/// decide whether a container restarts.
std::string SerializeDeployment(const Translation& translation);

/// The workload in a blob of `SerializeDeployment`; nullopt when the bytes are none of that role.
std::optional<v1::Workload> ParseDeployment(v1::Role role, const std::string& bytes);

}  // namespace slicelet::provider
