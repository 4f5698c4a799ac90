#include "provider/rest/compat_orders.h"

#include <algorithm>
#include <set>
#include <utility>

#include "common/json/json.h"
#include "kube/object.h"
#include "provider/controllers/settings.h"

namespace slicelet::provider {
namespace {

constexpr char kTarget[] = "additionalParams.target";

std::string Joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

RestAnswer RefusePlace(const std::string& reason, const std::string& error, const std::string& remedy,
                       const std::string& field = kTarget) {
  return Refuse({.status = 400, .reason = reason, .error = error, .field = field, .remedy = remedy});
}

/// The orchestrator's names of what we call traffic-most, which was also what no name meant.
std::string PolicyOf(const Json& body) {
  const std::string given = GetString(body, "/placementPolicy");
  if (given.empty()) return GetBool(body, "/auto") ? "traffic-most" : "";
  return given == "most-traffic" || given == "most_traffic" ? "traffic-most" : given;
}

class Placing {
 public:
  Placing(const RestHub& hub, EnablerOrder order, RestReply reply, Placed go)
      : hub_(hub), order_(std::move(order)), reply_(std::move(reply)), go_(std::move(go)) {}

  void Start() {
    if (!GetString(order_.spec, "/target/host").empty()) {
      return reply_(RefusePlace("HostNamed", "with auto the host is chosen, and target.host names one",
                                "leave auto out, or name a fleet node in target.node",
                                "additionalParams.target.host"));
    }
    if (const std::string node = GetString(order_.spec, "/target/node"); !node.empty()) return OnNode(node);
    hub_.kube.Get({kube::kIotSlices, hub_.ns, order_.slice, ""},
                  hub_.lifetime.Guard([*this](const absl::StatusOr<Json>& slice) mutable {
                    if (!slice.ok()) return reply_(RefuseFor(slice.status(), Slice()));
                    OnSlice(kube::TextAt(*slice, {"spec", "cloud", "node"}));
                  }));
  }

 private:
  [[nodiscard]] std::string Slice() const { return "IotSlice " + order_.slice; }
  [[nodiscard]] bool IsGateway() const { return order_.kind->resource == kube::kIotGateways; }

  void OnSlice(const std::string& cloud_node) {
    if (!IsGateway()) {
      if (!cloud_node.empty()) return go_(order_);
      return reply_(RefusePlace("NoCloudNode", Slice() + " has no cloud.node to run a server on",
                                "set cloud.node of the slice, or name target.host or target.node"));
    }
    kube::ListOptions ours;
    ours.label_selector = std::string(kHubLabel) + "=" + hub_.hub_id + "," + kSliceLabel + "=" + order_.slice;
    ListSorted(
        hub_, kube::kNodes, "", ours,
        hub_.lifetime.Guard([*this, cloud_node](const absl::StatusOr<std::vector<Json>>& nodes) mutable {
          if (!nodes.ok()) return reply_(RefuseFor(nodes.status(), "nodes"));
          OnNodes(*nodes, cloud_node);
        }));
  }

  void OnNodes(const std::vector<Json>& nodes, const std::string& cloud_node) {
    ListSorted(hub_, kube::kEdgeHosts, hub_.ns, {},
               hub_.lifetime.Guard(
                   [*this, nodes, cloud_node](const absl::StatusOr<std::vector<Json>>& hosts) mutable {
                     if (!hosts.ok()) return reply_(RefuseFor(hosts.status(), "hosts"));
                     std::set<std::string> ids;
                     for (const Json& host : *hosts) ids.insert(kube::NameOf(host));
                     // A node that stands for one host is called as the host is.
                     std::vector<std::string> fleets;
                     for (const Json& node : nodes) {
                       if (!ids.contains(kube::NameOf(node))) fleets.push_back(kube::NameOf(node));
                     }
                     Choose(fleets, cloud_node, ids.contains(cloud_node));
                   }));
  }

  void Choose(const std::vector<std::string>& fleets, const std::string& cloud_node, bool is_host) {
    if (fleets.size() == 1) return OnNode(fleets.front());
    if (fleets.size() > 1) {
      return reply_(RefusePlace("SeveralFleetNodes", Slice() + " has several fleet nodes: " + Joined(fleets),
                                "name one of them in target.node", std::string(kTarget) + ".node"));
    }
    if (cloud_node.empty()) {
      return reply_(RefusePlace(
          "NoFleetNode", Slice() + " has no fleet node whose hosts could be chosen from, and no cloud.node",
          "give the slice a fleet node (edge.nodes), or leave auto out and name target.host"));
    }
    // One host: there is nothing to choose from.
    if (TooMany(1, "is " + Slice() + "'s cloud node")) return;
    order_.spec["target"] = {{is_host ? "host" : "node", cloud_node}};
    go_(order_);
  }

  void OnNode(const std::string& node) {
    order_.spec["target"]["node"] = node;
    const auto hosts = hub_.fleet_hosts(node, GetString(order_.spec, "/target/targetCondition"));
    if (absl::IsInvalidArgument(hosts.status())) {
      return reply_(RefusePlace("BadCondition", "the target condition is wrong: " + Message(hosts.status()),
                                "docs/fleet.md has its grammar", std::string(kTarget) + ".targetCondition"));
    }
    // What is no fleet node, or not known yet, the IotGateway's own conditions tell.
    if (hosts.ok() && TooMany(*hosts, "of fleet node " + node + " match")) return;
    go_(order_);
  }

  /// Refuses more replicas than there are hosts.
  bool TooMany(std::size_t hosts, const std::string& which) const {
    const std::int64_t wanted = GetInt(order_.spec, "/target/hosts", 1);
    if (!IsGateway() || wanted <= static_cast<std::int64_t>(hosts)) return false;
    reply_(RefusePlace("TooManyReplicas",
                       "too many replicas: " + std::to_string(wanted) + " hosts are asked for, and " +
                           std::to_string(hosts) + " " + which,
                       "ask for fewer in target.hosts, or add hosts", std::string(kTarget) + ".hosts"));
    return true;
  }

  const RestHub& hub_;
  EnablerOrder order_;
  RestReply reply_;
  Placed go_;
};

}  // namespace

std::string EnablerWord(const RestKind& kind) { return kind.path.substr(0, kind.path.size() - 1); }

const RestKind* EnablerKind(const std::string& word) {
  for (const kube::Resource* resource : {&kube::kIotGateways, &kube::kIotServers}) {
    if (EnablerWord(KindOf(*resource)) == word) return &KindOf(*resource);
  }
  return nullptr;
}

std::optional<RestAnswer> ReadOrder(const Json& body, const Json& components, EnablerOrder& order) {
  const std::string chart = body["helmChart"].get<std::string>();
  if (!chart.starts_with(kEnablerRepository)) {
    return Refuse({.status = 501,
                   .reason = "ChartsNotSupported",
                   .error = "slicelet installs no charts, and so no " + chart,
                   .field = "helmChart",
                   .remedy = "slicelet/gateway makes an IotGateway, slicelet/server an IotServer"});
  }
  const auto colon = chart.find(':');
  const std::string named = chart.substr(0, colon);
  order.kind = EnablerKind(named.substr(std::string_view(kEnablerRepository).size()));
  if (order.kind == nullptr) return RefuseFor(absl::NotFoundError(""), "chart " + named);
  order.slice = body["vim"].get<std::string>();
  order.name = body["enablerName"].get<std::string>();
  order.spec = body.value("additionalParams", Json::object());
  order.spec.erase("slice");
  order.automatic = GetBool(body, "/auto");
  if (colon != std::string::npos) {
    const std::string profile = chart.substr(colon + 1);
    const Json& profiles = components["schemas"][order.kind->noun + "Create"]["properties"]["spec"]
                                     ["properties"]["profile"]["enum"];
    std::vector<std::string> known;
    for (const Json& one : profiles) known.push_back(one.get<std::string>());
    if (std::find(known.begin(), known.end(), profile) == known.end()) {
      return Refuse({.status = 404,
                     .reason = "NotFound",
                     .error = "chart " + named + " has no version " + profile,
                     .field = "helmChart",
                     .remedy = "its versions are the profiles " + Joined(known)});
    }
    order.spec["profile"] = profile;
  }
  // Servers are not ranked: where one runs is its slice's cloud node.
  const std::string policy = order.kind->resource == kube::kIotGateways ? PolicyOf(body) : "";
  if (!policy.empty()) {
    Json& target = order.spec["target"];
    if (target.is_null() || target.is_object()) order.spec["target"]["placement"] = policy;
  }
  return std::nullopt;
}

void PlaceOrder(const RestHub& hub, EnablerOrder order, const RestReply& reply, const Placed& go) {
  if (!order.automatic) return go(order);
  Placing(hub, std::move(order), reply, go).Start();
}

}  // namespace slicelet::provider
