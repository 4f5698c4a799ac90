#include "provider/rest/workload_routes.h"

#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "common/json/json.h"
#include "kube/object.h"
#include "provider/controllers/settings.h"
#include "provider/rest/workload_hosts.h"

namespace slicelet::provider {
namespace {

constexpr char kTemplateHash[] = "pod-template-hash";

bool IsReady(const Json& pod) { return kube::ConditionStatus(pod, "Ready") == "True"; }

struct Owner {
  std::string kind;
  std::string name;
};

/// A Deployment's pods belong to a ReplicaSet whose name is the Deployment's and the template's hash.
Owner OwnerOf(const Json& pod) {
  for (const Json& reference : GetArray(pod, "/metadata/ownerReferences")) {
    if (!GetBool(reference, "/controller")) continue;
    Owner owner{kube::TextAt(reference, {"kind"}), kube::TextAt(reference, {"name"})};
    const std::string tail = "-" + kube::TextAt(pod, {"metadata", "labels", kTemplateHash});
    if (owner.kind == "ReplicaSet" && tail.size() > 1 && owner.name.ends_with(tail)) {
      return {"Deployment", owner.name.substr(0, owner.name.size() - tail.size())};
    }
    return owner;
  }
  return {};
}

class WorkloadHandlers {
 public:
  explicit WorkloadHandlers(const RestHub& hub) : hub_(hub) {}

  void List(const RestCall& call, const RestReply& reply) const {
    WithPods(call, {}, reply, [*this, call, reply](const std::vector<Json>& pods) {
      reply(AnswerPage(pods, call.Query("limit"), call.Query("continue"),
                       [this](const Json& pod) { return Shown(pod); }));
    });
  }

  void Get(const RestCall& call, const RestReply& reply) const {
    WithPod(call, reply, [*this, reply](const Json& pod) { reply({.body = Shown(pod)}); });
  }

  void Placement(const RestCall& call, const RestReply& reply) const {
    WithPod(call, reply, [*this, reply](const Json& pod) {
      const auto hosts = HostsOf(pod);
      if (!hosts.ok()) return reply(RefuseFor(hosts.status(), "pod " + kube::NameOf(pod)));
      Json shown = ShownPlacement(hub_.explain_pod(RequestFor<v1::ExplainPodRequest>(pod)), *hosts);
      shown["namespace"] = kube::NamespaceOf(pod);
      shown["name"] = kube::NameOf(pod);
      shown["node"] = kube::TextAt(pod, {"spec", "nodeName"});
      reply({.body = std::move(shown)});
    });
  }

  void Deployments(const RestCall& call, const RestReply& reply) const {
    WithPods(call, {}, reply, [*this, call, reply](const std::vector<Json>& pods) {
      std::vector<Json> groups;
      for (const auto& [key, members] : ByOwner(pods)) groups.push_back(Group(key, members));
      reply(AnswerPage(groups, call.Query("limit"), call.Query("continue"),
                       [](const Json& group) { return group["shown"]; }));
    });
  }

 private:
  using Key = std::tuple<std::string, std::string, std::string>;

  /// Calls `go` with the pods that are on nodes of this hub, sorted.
  void WithPods(const RestCall& call, const kube::ListOptions& options, const RestReply& reply,
                std::function<void(const std::vector<Json>&)> go) const {
    if (hub_.standalone) return reply(RefuseStandalone("the list of pods"));
    const auto in = call.path.find("namespace");
    const std::string ns = in == call.path.end() ? call.Query("namespace") : in->second;
    kube::ListOptions ours;
    ours.label_selector = std::string(kHubLabel) + "=" + hub_.hub_id;
    ListSorted(hub_, kube::kNodes, "", ours,
               hub_.lifetime.Guard([*this, ns, options, reply,
                                    go = std::move(go)](const absl::StatusOr<std::vector<Json>>& nodes) {
                 if (!nodes.ok()) return reply(RefuseFor(nodes.status(), "nodes"));
                 std::set<std::string> names;
                 for (const Json& node : *nodes) names.insert(kube::NameOf(node));
                 ListSorted(hub_, kube::kPods, ns, options,
                            hub_.lifetime.Guard([names, reply, go](absl::StatusOr<std::vector<Json>> pods) {
                              if (!pods.ok()) return reply(RefuseFor(pods.status(), "pods"));
                              std::erase_if(*pods, [&](const Json& pod) {
                                return !names.contains(kube::TextAt(pod, {"spec", "nodeName"}));
                              });
                              go(*pods);
                            }));
               }));
  }

  void WithPod(const RestCall& call, const RestReply& reply, std::function<void(const Json&)> go) const {
    kube::ListOptions options;
    options.field_selector = "metadata.name=" + call.path.at("pod");
    const std::string what = "pod " + call.path.at("namespace") + "/" + call.path.at("pod");
    WithPods(call, options, reply, [reply, what, go = std::move(go)](const std::vector<Json>& pods) {
      if (pods.empty()) return reply(RefuseFor(absl::NotFoundError(""), what));
      go(pods.front());
    });
  }

  template <typename Request>
  static Request RequestFor(const Json& pod) {
    Request request;
    request.set_namespace_(kube::NamespaceOf(pod));
    request.set_name(kube::NameOf(pod));
    request.set_uid(kube::UidOf(pod));
    return request;
  }

  /// NotFound becomes an empty list: the shim has not shown the pod yet.
  [[nodiscard]] absl::StatusOr<Json> HostsOf(const Json& pod) const {
    const auto known = hub_.pod_hosts(RequestFor<v1::PodHostsRequest>(pod));
    Json hosts = Json::array();
    if (absl::IsNotFound(known.status())) return hosts;
    if (!known.ok()) return known.status();
    for (const auto& entry : known->entries()) hosts.push_back(ShownHost(entry));
    return hosts;
  }

  [[nodiscard]] Json Shown(const Json& pod) const {
    const auto hosts = HostsOf(pod);
    Json shown = {{"namespace", kube::NamespaceOf(pod)},
                  {"name", kube::NameOf(pod)},
                  {"uid", kube::UidOf(pod)},
                  {"node", kube::TextAt(pod, {"spec", "nodeName"})},
                  {"phase", kube::TextAt(pod, {"status", "phase"})},
                  {"ready", IsReady(pod)},
                  {"deleting", kube::BeingDeleted(pod)},
                  {"createdAt", kube::TextAt(pod, {"metadata", "creationTimestamp"})},
                  {"hosts", hosts.ok() ? *hosts : Json::array()}};
    if (const Owner owner = OwnerOf(pod); !owner.kind.empty()) {
      shown["owner"] = {{"kind", owner.kind}, {"name", owner.name}};
    }
    return shown;
  }

  static std::map<Key, std::vector<const Json*>> ByOwner(const std::vector<Json>& pods) {
    std::map<Key, std::vector<const Json*>> groups;
    for (const Json& pod : pods) {
      const Owner owner = OwnerOf(pod);
      if (!owner.kind.empty()) groups[{kube::NamespaceOf(pod), owner.name, owner.kind}].push_back(&pod);
    }
    return groups;
  }

  /// With a name to sort and page by, like that of an object.
  [[nodiscard]] Json Group(const Key& key, const std::vector<const Json*>& pods) const {
    const auto& [ns, name, kind] = key;
    Json names = Json::array();
    std::set<std::string> hosts;
    int ready = 0;
    for (const Json* pod : pods) {
      names.push_back(kube::NameOf(*pod));
      ready += IsReady(*pod) ? 1 : 0;
      const auto entries = HostsOf(*pod);
      if (!entries.ok()) continue;
      for (const Json& entry : *entries) hosts.insert(entry["host"].get<std::string>());
    }
    return {{"metadata", {{"namespace", ns}, {"name", name + "/" + kind}}},
            {"shown",
             {{"namespace", ns},
              {"name", name},
              {"kind", kind},
              {"pods", names},
              {"ready", ready},
              {"hosts", hosts}}}};
  }

  const RestHub& hub_;
};

Json ListOf(const char* schema) {
  Json list = ObjectOf(
      {{"items", {{"type", "array"}, {"items", {{"$ref", std::string("#/components/schemas/") + schema}}}}}});
  list["properties"]["continue"] = {{"type", "string"}};
  return list;
}

}  // namespace

void AddWorkloadSchemas(Json& schemas) {
  const Json text = {{"type", "string"}}, number = {{"type", "integer"}}, truth = {{"type", "boolean"}};
  const Json texts = {{"type", "array"}, {"items", text}};
  const Json hosts = {{"type", "array"}, {"items", {{"$ref", "#/components/schemas/WorkloadHost"}}}};
  AddHostSchemas(schemas);
  schemas["Workload"] = ObjectOf({{"namespace", text},
                                  {"name", text},
                                  {"uid", text},
                                  {"node", text},
                                  {"phase", text},
                                  {"ready", truth},
                                  {"deleting", truth},
                                  {"createdAt", text},
                                  {"hosts", hosts}});
  schemas["Workload"]["properties"]["owner"] = ObjectOf({{"kind", text}, {"name", text}});
  schemas["WorkloadList"] = ListOf("Workload");
  schemas["Deployment"] = ObjectOf({{"namespace", text},
                                    {"name", text},
                                    {"kind", text},
                                    {"pods", texts},
                                    {"ready", number},
                                    {"hosts", texts}});
  schemas["DeploymentList"] = ListOf("Deployment");
}

std::vector<RestRoute> WorkloadRoutes(const RestHub& hub) {
  std::vector<RestRoute> routes;
  const auto add = [&](RestRoute route,
                       void (WorkloadHandlers::*handler)(const RestCall&, const RestReply&) const) {
    route.method = "GET";
    route.tag = "workloads";
    route.refusals.insert({403, 501, 503});
    route.handle = [handlers = WorkloadHandlers(hub), handler](const RestCall& call, const RestReply& reply) {
      (handlers.*handler)(call, reply);
    };
    routes.push_back(std::move(route));
  };
  add({.path = "/v1/workloads",
       .id = "listWorkloads",
       .summary = "The pods on the hub's nodes, with the hosts of each.",
       .query = {"namespace", "limit", "continue"},
       .answer = "WorkloadList"},
      &WorkloadHandlers::List);
  add({.path = "/v1/workloads/{namespace}/{pod}",
       .id = "getWorkload",
       .summary = "One of them.",
       .answer = "Workload",
       .refusals = {404}},
      &WorkloadHandlers::Get);
  add({.path = "/v1/workloads/{namespace}/{pod}/placement",
       .id = "getPlacement",
       .summary = "What each host is to the pod, also those that were not chosen: room, traffic, and why.",
       .answer = "Placement",
       .refusals = {404}},
      &WorkloadHandlers::Placement);
  add({.path = "/v1/deployments",
       .id = "listDeployments",
       .summary = "What owns those pods (Deployments, Jobs, IotGateways ...), with the hosts of each.",
       .query = {"namespace", "limit", "continue"},
       .answer = "DeploymentList"},
      &WorkloadHandlers::Deployments);
  return routes;
}

}  // namespace slicelet::provider
