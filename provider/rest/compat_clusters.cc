#include <algorithm>
#include <utility>

#include "common/base/encoding.h"
#include "common/json/json.h"
#include "kube/object.h"
#include "provider/controllers/clusters.h"
#include "provider/controllers/plan.h"
#include "provider/controllers/settings.h"
#include "provider/rest/compat_routes.h"

namespace slicelet::provider {
namespace {

/// On the Secret of a cluster: its name.
constexpr char kClusterLabel[] = "slicelet.io/cluster";

std::string SecretOf(const std::string& cluster) { return cluster + "-kubeconfig"; }
std::string Called(const std::string& name) { return "IotCluster " + name; }

Json ShownCluster(const Json& cluster) {
  return {{"id", kube::NameOf(cluster)},
          {"name", kube::NameOf(cluster)},
          {"description", kube::TextAt(cluster, {"spec", "description"})},
          {"k8s_version", kube::TextAt(cluster, {"status", "version"})},
          {"status", kube::TextAt(cluster, {"status", "phase"})}};
}

/// What must not be in a kubeconfig that somebody else reads: names of files and of programs.
void CheckSelfContained(const Json& entries, const std::string& field, const char* inner,
                        std::initializer_list<const char*> forbidden, std::vector<Violation>& found) {
  for (std::size_t i = 0; i < entries.size(); ++i) {
    for (const char* key : forbidden) {
      if (GetObject(entries[i], std::string("/") + inner).contains(key)) {
        found.push_back({field + "[" + std::to_string(i) + "]." + inner + "." + key,
                         "names a file or a program of another machine; put its content inside"});
      }
    }
  }
}

/// The orchestrator's rules for a registration: all of them that are broken.
std::vector<Violation> CheckRegistration(const Json& body) {
  std::vector<Violation> found;
  const std::string name = body["name"].get<std::string>();
  const Json& credentials = body["credentials"];
  const auto expect = [&](const std::string& field, const std::string& is) {
    if (is != name) found.push_back({field, "is \"" + is + "\"; it must be the cluster's name, " + name});
  };
  expect("credentials.contexts[0].name", kube::TextAt(credentials["contexts"][0], {"name"}));
  const Json& clusters = credentials["clusters"];
  for (std::size_t i = 0; i < clusters.size(); ++i) {
    expect("credentials.clusters[" + std::to_string(i) + "].name", kube::TextAt(clusters[i], {"name"}));
  }
  CheckSelfContained(clusters, "credentials.clusters", "cluster", {"certificate-authority"}, found);
  CheckSelfContained(credentials["users"], "credentials.users", "user",
                     {"client-certificate", "client-key", "tokenFile", "exec", "auth-provider"}, found);
  return found;
}

class ClusterHandlers {
 public:
  explicit ClusterHandlers(const RestHub& hub) : hub_(hub) {}

  void List(const RestCall&, const RestReply& reply) const {
    ListSorted(hub_, kube::kIotClusters, hub_.ns, {},
               [reply](const absl::StatusOr<std::vector<Json>>& clusters) {
                 if (!clusters.ok()) return reply(RefuseFor(clusters.status(), "clusters"));
                 RestAnswer answer{.body = Json::array()};
                 for (const Json& cluster : *clusters) answer.body.push_back(ShownCluster(cluster));
                 reply(std::move(answer));
               });
  }

  void Get(const RestCall& call, const RestReply& reply) const {
    WithCluster(call, reply, [reply](const Json& cluster) { reply({.body = ShownCluster(cluster)}); });
  }

  /// Of the cluster that the hub is in, those that are the hub's; of another one all.
  void Nodes(const RestCall& call, const RestReply& reply) const {
    WithCluster(call, reply, [*this, reply](const Json& cluster) {
      if (kube::Find(cluster, {"spec", "kubeconfigSecret"}) != nullptr) return NodesThere(cluster, reply);
      kube::ListOptions ours;
      ours.label_selector = std::string(kHubLabel) + "=" + hub_.hub_id;
      ListSorted(hub_, kube::kNodes, "", ours, [reply](const absl::StatusOr<std::vector<Json>>& nodes) {
        if (!nodes.ok()) return reply(RefuseFor(nodes.status(), "nodes"));
        reply(ShownNodes(*nodes));
      });
    });
  }

  /// The first cluster is the cloud's. A registration that fails half-way is taken back.
  void Register(const RestCall& call, const RestReply& reply) const {
    const auto violations = CheckRegistration(call.body);
    if (!violations.empty()) return reply(RefuseInput(violations));
    ListSorted(hub_, kube::kIotClusters, hub_.ns, {},
               hub_.lifetime.Guard([*this, call, reply](const absl::StatusOr<std::vector<Json>>& clusters) {
                 if (!clusters.ok()) return reply(RefuseFor(clusters.status(), "clusters"));
                 bool cloud = false;
                 for (const Json& cluster : *clusters) {
                   cloud = cloud || kube::TextAt(cluster, {"spec", "role"}) == "cloud";
                 }
                 MakeCluster(call.body, cloud ? "edge" : "cloud", reply);
               }));
  }

  void Delete(const RestCall& call, const RestReply& reply) const {
    if (call.Header("force") == "true") return Remove(call.path.at("cluster"), true, reply);
    WithCluster(call, reply, [*this, reply](const Json& cluster) {
      ListSorted(
          hub_, kube::kIotClusters, hub_.ns, {},
          hub_.lifetime.Guard([*this, cluster, reply](const absl::StatusOr<std::vector<Json>>& clusters) {
            if (!clusters.ok()) return reply(RefuseFor(clusters.status(), "clusters"));
            RemoveUnused(cluster, *clusters, reply);
          }));
    });
  }

 private:
  void RemoveUnused(const Json& cluster, const std::vector<Json>& clusters, const RestReply& reply) const {
    ListSorted(hub_, kube::kIotSlices, hub_.ns, {},
               hub_.lifetime.Guard([*this, cluster, clusters,
                                    reply](const absl::StatusOr<std::vector<Json>>& slices) {
                 if (!slices.ok()) return reply(RefuseFor(slices.status(), "slices"));
                 World world;
                 world.Replace(kube::kIotClusters, clusters);
                 world.Replace(kube::kIotSlices, *slices);
                 const std::string name = kube::NameOf(cluster);
                 const auto used = ClusterInUse(world, cluster, "");
                 if (!used) return Remove(name, false, reply);
                 reply(Refuse({.status = 409,
                               .reason = used->reason,
                               .error = Called(name) + ": " + used->message,
                               .remedy = "with header force: true it goes all the same, and what cannot be "
                                         "undone is left behind"}));
               }));
  }

  void Remove(const std::string& name, bool force, const RestReply& reply) const {
    DeleteObject(hub_, {kube::kIotClusters, hub_.ns, name, ""}, force,
                 [name, reply](const absl::Status& status) {
                   if (!status.ok()) return reply(RefuseFor(status, Called(name)));
                   reply({.body = {{"name", name}, {"deleting", true}}});
                 });
  }

  static RestAnswer ShownNodes(const std::vector<Json>& nodes) {
    RestAnswer answer{.body = Json::array()};
    for (const Json& node : nodes) {
      answer.body.push_back({{"name", kube::NameOf(node)}, {"labels", GetObject(node, "/metadata/labels")}});
    }
    return answer;
  }

  void NodesThere(const Json& cluster, const RestReply& reply) const {
    const std::string name = kube::NameOf(cluster);
    if (!hub_.nodes_elsewhere) {
      return reply(Refuse({.status = 501,
                           .reason = "ClusterElsewhere",
                           .error = "the nodes of " + Called(name) +
                                    " are not known here: this provider looks after no other clusters",
                           .remedy = "set controllers: true in provider.yaml, or ask that cluster: "
                                     "kubectl get nodes"}));
    }
    hub_.nodes_elsewhere(cluster, hub_.lifetime.Guard([name, reply](absl::StatusOr<std::vector<Json>> nodes) {
      if (!nodes.ok()) {
        return reply(Refuse({.status = 500,
                             .reason = kUnreachable,
                             .error = Called(name) + " cannot be asked: " + Message(nodes.status()),
                             .remedy = "ask again once its condition Ready is True"}));
      }
      std::sort(nodes->begin(), nodes->end(),
                [](const Json& a, const Json& b) { return kube::NameOf(a) < kube::NameOf(b); });
      reply(ShownNodes(*nodes));
    }));
  }

  void WithCluster(const RestCall& call, const RestReply& reply,
                   const std::function<void(const Json&)>& go) const {
    const std::string name = call.path.at("cluster");
    hub_.kube.Get({kube::kIotClusters, hub_.ns, name, ""},
                  hub_.lifetime.Guard([name, reply, go](const absl::StatusOr<Json>& cluster) {
                    if (!cluster.ok()) return reply(RefuseFor(cluster.status(), Called(name)));
                    go(*cluster);
                  }));
  }

  void MakeCluster(const Json& body, const std::string& role, const RestReply& reply) const {
    const std::string name = body["name"].get<std::string>();
    Json spec = {{"role", role}, {"kubeconfigSecret", SecretOf(name)}};
    if (body.contains("description")) spec["description"] = body["description"];
    hub_.kube.Create({kube::kIotClusters, hub_.ns, name, ""}, {{"spec", spec}},
                     hub_.lifetime.Guard([*this, name, reply, credentials = body["credentials"]](
                                             const absl::StatusOr<Json>& made) {
                       if (!made.ok()) return reply(RefuseFor(made.status(), Called(name)));
                       MakeSecret(*made, credentials, reply);
                     }));
  }

  /// It belongs to the cluster's object, and goes with it.
  void MakeSecret(const Json& cluster, const Json& credentials, const RestReply& reply) const {
    const std::string name = kube::NameOf(cluster);
    const Json secret = {{"metadata", {{"labels", {{kClusterLabel, name}}}}},
                         {"data", {{"kubeconfig", Base64Encode(DumpJson(credentials))}}}};
    const Write write =
        CreateOwned(kube::kSecrets, hub_.ns, SecretOf(name), secret, kube::kIotClusters, cluster);
    hub_.kube.Create(write.ref, write.body,
                     hub_.lifetime.Guard([*this, cluster, name, reply](const absl::StatusOr<Json>& made) {
                       if (made.ok()) return reply({.body = ShownCluster(cluster)});
                       hub_.kube.Delete({kube::kIotClusters, hub_.ns, name, ""},
                                        {.uid = kube::UidOf(cluster)},
                                        [name, reply, why = made.status()](const absl::Status&) {
                                          // Should this fail too, the object's own status says that its
                                          // Secret is missing.
                                          reply(RefuseFor(why, "Secret " + SecretOf(name)));
                                        });
                     }));
  }

  const RestHub& hub_;
};

Json Named(const char* key) {
  const Json text = {{"type", "string"}, {"minLength", 1}, {"maxLength", 253}};
  const Json inner = {{"type", "object"}};
  return {
      {"type", "array"},
      {"minItems", 1},
      {"maxItems", 64},
      {"items",
       {{"type", "object"}, {"properties", {{"name", text}, {key, inner}}}, {"required", {"name", key}}}}};
}

}  // namespace

void AddCompatClusterSchemas(Json& schemas) {
  const Json text = {{"type", "string"}};
  schemas["CompatClusterRegistration"] = {
      {"type", "object"},
      {"additionalProperties", false},
      {"required", {"name", "credentials"}},
      {"properties",
       {{"name", ParameterSchema("cluster")},
        {"description", {{"type", "string"}, {"maxLength", 1024}}},
        {"k8s_version",
         {{"type", "string"}, {"maxLength", 64}, {"description", "Read from the cluster itself."}}},
        {"credentials",
         {{"type", "object"},
          {"description",
           "A kubeconfig as JSON, with everything inside it. The name of its first context and of all its "
           "clusters is the cluster's."},
          {"required", {"clusters", "contexts", "users"}},
          {"properties",
           {{"clusters", Named("cluster")}, {"contexts", Named("context")}, {"users", Named("user")}}}}}}}};
  schemas["CompatCluster"] = {
      {"type", "object"},
      {"additionalProperties", false},
      {"required", {"id", "name", "description", "k8s_version", "status"}},
      {"properties",
       {{"id", text}, {"name", text}, {"description", text}, {"k8s_version", text}, {"status", text}}}};
  schemas["CompatClusterList"] = {{"type", "array"},
                                  {"items", {{"$ref", "#/components/schemas/CompatCluster"}}}};
  schemas["CompatNodeList"] = {
      {"type", "array"},
      {"items",
       {{"type", "object"},
        {"additionalProperties", false},
        {"required", {"name", "labels"}},
        {"properties", {{"name", text}, {"labels", {{"type", "object"}, {"additionalProperties", text}}}}}}}};
}

void AddCompatClusterRoutes(const RestHub& hub, std::vector<RestRoute>& routes) {
  const std::string path = "/compat/v3/api/k8sclusters";
  const auto add = [&](RestRoute route,
                       void (ClusterHandlers::*handler)(const RestCall&, const RestReply&) const) {
    route.handle = [handlers = ClusterHandlers(hub), handler](const RestCall& call, const RestReply& reply) {
      (handlers.*handler)(call, reply);
    };
    routes.push_back(std::move(route));
  };
  add({.method = "GET",
       .path = path,
       .id = "compatListClusters",
       .summary = "The IotClusters.",
       .answer = "CompatClusterList"},
      &ClusterHandlers::List);
  add({.method = "POST",
       .path = path,
       .id = "compatRegisterCluster",
       .summary = "Makes an IotCluster and the Secret with its kubeconfig. The first one is the cloud's.",
       .access = Access::kOperator,
       .request = "CompatClusterRegistration",
       .answer = "CompatCluster",
       .refusals = {404, 409, 422}},
      &ClusterHandlers::Register);
  add({.method = "GET",
       .path = path + "/{cluster}",
       .id = "compatGetCluster",
       .summary = "One IotCluster.",
       .answer = "CompatCluster",
       .refusals = {404}},
      &ClusterHandlers::Get);
  add({.method = "DELETE",
       .path = path + "/{cluster}",
       .id = "compatDeleteCluster",
       .summary =
           "Deletes the IotCluster; its Secret goes with it. One that is in use is refused unless forced.",
       .access = Access::kOperator,
       .headers = {"force"},
       .answer = "Deletion",
       .refusals = {404, 409}},
      &ClusterHandlers::Delete);
  add({.method = "GET",
       .path = path + "/node/{cluster}",
       .id = "compatListNodes",
       .summary = "The hub's nodes in its own cluster, or all nodes of another one.",
       .answer = "CompatNodeList",
       .refusals = {404}},
      &ClusterHandlers::Nodes);
}

}  // namespace slicelet::provider
