#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "common/base/time.h"
#include "slicelet/v1/provider.pb.h"

namespace slicelet::shim {

using Json = nlohmann::json;

inline constexpr char kHubLabel[] = "slicelet.io/hub";
inline constexpr char kSliceLabel[] = "slicelet.io/slice";
inline constexpr char kSliceNodeTaint[] = "slicelet.io/slice-node";
inline constexpr char kLinkLostTaint[] = "slicelet.io/link-lost";
/// The provider declares it; known here, so that one that a former shim set goes too.
inline constexpr char kMaintenanceTaint[] = "slicelet.io/maintenance";

/// What is known of one slice node: the provider's declaration, the host's last report, our own address.
struct NodeFactsheet {
  std::string hub_id;
  std::string kubelet_version;
  v1::NodeDeclare declaration;
  std::optional<v1::NodeReport> report;
  /// The provider has been away since then, long enough for what it reported to count no more.
  std::optional<WallTime> unheard_since{};
  /// The shim's, where this node's kubelet API is served; port 0: none.
  std::string address;
  int port = 0;
};

/// Labels the node shall carry. Declared labels in the kubernetes.io and k8s.io domains that a node identity
/// may not write (kubernetes.md 1.1) are left out; `refused` gets their keys.
Json NodeLabels(const NodeFactsheet& sheet, std::string* refused);

/// The whole taint list: `present` without what slicelet no longer wants (`former` is the last declaration),
/// plus what it wants. Foreign taints stay as they are. Without a declared taint the node gets
/// slicelet.io/slice-node=HUB.
Json NodeTaints(const NodeFactsheet& sheet, const Json& present, const v1::NodeDeclare& former);

/// The object that registers the node.
Json NewNode(const NodeFactsheet& sheet);

/// What of `node`'s status differs from the facts, as a strategic merge patch of the status; null when
/// nothing does. With `heartbeat` the conditions are written in any case. Transition times move only when a
/// status flips.
Json NodeStatusPatch(const NodeFactsheet& sheet, const Json& node, bool heartbeat, WallTime now);

}  // namespace slicelet::shim
