#pragma once

#include <functional>
#include <optional>
#include <string>

#include "provider/rest/kinds.h"
#include "provider/rest/rest_hub.h"
#include "provider/rest/routes.h"

namespace slicelet::provider {

/// An enabler that was asked for: an IotGateway or an IotServer.
struct EnablerOrder {
  const RestKind* kind = nullptr;
  std::string slice;
  std::string name;
  /// Without `slice`.
  Json spec;
  /// Where it runs is for us to choose.
  bool automatic = false;
};

/// How enablers are called: "slicelet/gateway" and "slicelet/server".
inline constexpr char kEnablerRepository[] = "slicelet/";
/// "gateway", "server".
std::string EnablerWord(const RestKind& kind);
/// Null for what is none of them.
const RestKind* EnablerKind(const std::string& word);

/// The order of a body that fits CompatEnablerOrder. Another repository is refused with 501, a chart or a
/// version that there is not with 404. Its spec is not checked;
/// that of an automatic gateway has a target, if only with its placement.
std::optional<RestAnswer> ReadOrder(const Json& body, const Json& components, EnablerOrder& order);

using Placed = std::function<void(const EnablerOrder&)>;

/// Of an automatic order, chooses where it runs; `go` gets it with its target, or `reply` the refusal. The
/// orchestrator chose among edge clusters; what a hub has at a slice's edge is its fleet node:
///
/// - a gateway goes to the fleet node that is named, or to the only one of its slice; where there is none to
///   the slice's cloud node. Which hosts of it is for placement to decide, when its pod is there;
/// - more replicas (target.hosts) than hosts that match: "too many replicas", as there;
/// - a server is not ranked: it goes to the slice's cloud node.
void PlaceOrder(const RestHub& hub, EnablerOrder order, const RestReply& reply, const Placed& go);

}  // namespace slicelet::provider
