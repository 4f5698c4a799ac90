#include <optional>
#include <utility>

#include "common/json/json.h"
#include "kube/object.h"
#include "provider/rest/compat_orders.h"
#include "provider/rest/compat_routes.h"
#include "provider/rest/kinds.h"
#include "provider/rest/schema.h"

namespace slicelet::provider {
namespace {

/// "SLICE.gateway.NAME"; neither slice nor name holds a dot.
struct EnablerId {
  std::string slice;
  const RestKind* kind = nullptr;
  std::string name;
};

std::optional<EnablerId> ParseId(const std::string& text) {
  const auto first = text.find('.');
  const auto second = first == std::string::npos ? first : text.find('.', first + 1);
  if (second == std::string::npos || text.find('.', second + 1) != std::string::npos) return std::nullopt;
  EnablerId id{text.substr(0, first), EnablerKind(text.substr(first + 1, second - first - 1)),
               text.substr(second + 1)};
  if (id.kind == nullptr || id.slice.empty() || id.name.empty()) return std::nullopt;
  return id;
}

Json ShownEnabler(const RestKind& kind, const std::string& slice, const Json& object) {
  return {{"id", slice + "." + EnablerWord(kind) + "." + kube::NameOf(object)},
          {"enablerName", kube::NameOf(object)},
          {"helmChart", kEnablerRepository + EnablerWord(kind)},
          {"vim", slice},
          {"status", kube::TextAt(object, {"status", "phase"})},
          {"suspended", GetBool(object, "/spec/suspended")},
          {"additionalParams", object.value("spec", Json::object())}};
}

RestAnswer RefuseUnknown(const std::string& id) {
  return RefuseFor(absl::NotFoundError(""), "enabler " + id);
}

class EnablerHandlers {
 public:
  EnablerHandlers(const RestHub& hub, const Json& components) : hub_(hub), components_(components) {}

  void Instanced(const RestCall&, const RestReply& reply) const {
    WithAll(reply, [reply](const Json& enablers) { reply({.body = enablers}); });
  }

  /// Those whose slice has its edge (a gateway) or its cloud (a server) in that cluster.
  void InCluster(const RestCall& call, const RestReply& reply) const {
    const std::string name = call.path.at("cluster");
    hub_.kube.Get({kube::kIotClusters, hub_.ns, name, ""},
                  hub_.lifetime.Guard([*this, name, reply](const absl::StatusOr<Json>& cluster) {
                    if (!cluster.ok()) return reply(RefuseFor(cluster.status(), "IotCluster " + name));
                    const bool own = kube::Find(*cluster, {"spec", "kubeconfigSecret"}) == nullptr;
                    ListSorted(hub_, kube::kIotSlices, hub_.ns, {},
                               hub_.lifetime.Guard([*this, name, own,
                                                    reply](const absl::StatusOr<std::vector<Json>>& slices) {
                                 if (!slices.ok()) return reply(RefuseFor(slices.status(), "slices"));
                                 OfSlices(*slices, name, own, reply);
                               }));
                  }));
  }

  void Create(const RestCall& call, const RestReply& reply) const {
    EnablerOrder order;
    if (auto refusal = ReadOrder(call.body, components_, order)) return reply(*std::move(refusal));
    const auto violations =
        CheckValue(components_["schemas"][order.kind->noun + "Create"]["properties"]["spec"], order.spec,
                   "additionalParams", components_);
    if (!violations.empty()) return reply(RefuseInput(violations));
    PlaceOrder(hub_, order, reply, [*this, reply](const EnablerOrder& placed) {
      MakeEnabler(*placed.kind, placed.slice, placed.name, placed.spec, reply);
    });
  }

  /// It stops; its record stays.
  void Terminate(const RestCall& call, const RestReply& reply) const {
    WithEnabler(call, reply, [*this, reply](const EnablerId& id, const std::string& ns) {
      hub_.kube.Patch({id.kind->resource, ns, id.name, ""}, kube::PatchType::kMerge,
                      {{"spec", {{"suspended", true}}}}, [id, reply](const absl::StatusOr<Json>& object) {
                        if (!object.ok())
                          return reply(RefuseFor(object.status(), id.kind->noun + " " + id.name));
                        reply({.body = ShownEnabler(*id.kind, id.slice, *object)});
                      });
    });
  }

  void Delete(const RestCall& call, const RestReply& reply) const {
    WithEnabler(call, reply, [*this, reply](const EnablerId& id, const std::string& ns) {
      hub_.kube.Delete({id.kind->resource, ns, id.name, ""}, {}, [id, reply](const absl::Status& status) {
        if (!status.ok()) return reply(RefuseFor(status, id.kind->noun + " " + id.name));
        reply({.body = {{"name", id.name}, {"deleting", true}}});
      });
    });
  }

  /// The hub makes no claims: what a gateway or a server keeps is on its host.
  void DeleteVolumes(const RestCall& call, const RestReply& reply) const {
    WithEnabler(call, reply, [*this, reply](const EnablerId& id, const std::string& ns) {
      hub_.kube.Get({id.kind->resource, ns, id.name, ""}, [id, reply](const absl::StatusOr<Json>& object) {
        if (!object.ok()) return reply(RefuseFor(object.status(), id.kind->noun + " " + id.name));
        reply(Refuse({.status = 400,
                      .reason = "NoVolumes",
                      .error = id.kind->noun + " " + id.name + " has no claims in Kubernetes",
                      .remedy = "what it keeps is on its host, and goes with it"}));
      });
    });
  }

 private:
  void WithEnabler(const RestCall& call, const RestReply& reply,
                   const std::function<void(const EnablerId&, const std::string& ns)>& go) const {
    const std::string text = call.path.at("enabler");
    const auto id = ParseId(text);
    if (!id) return reply(RefuseUnknown(text));
    FindSliceNamespace(hub_, id->slice,
                       hub_.lifetime.Guard([reply, text, id, go](const absl::StatusOr<std::string>& ns) {
                         if (absl::IsNotFound(ns.status()) || (ns.ok() && ns->empty())) {
                           return reply(RefuseUnknown(text));
                         }
                         if (!ns.ok()) return reply(RefuseFor(ns.status(), "IotSlice " + id->slice));
                         go(*id, *ns);
                       }));
  }

  void MakeEnabler(const RestKind& kind, const std::string& slice, const std::string& name, Json spec,
                   const RestReply& reply) const {
    spec["slice"] = slice;
    FindSliceNamespace(
        hub_, slice,
        hub_.lifetime.Guard([*this, &kind, slice, name, spec, reply](const absl::StatusOr<std::string>& ns) {
          if (!ns.ok()) return reply(RefuseFor(ns.status(), "IotSlice " + slice));
          if (ns->empty()) {
            return reply(RefuseFor(absl::AbortedError("it has no namespace yet"), "IotSlice " + slice));
          }
          hub_.kube.Create({kind.resource, *ns, name, ""}, {{"spec", spec}},
                           [&kind, slice, name, reply](const absl::StatusOr<Json>& object) {
                             if (!object.ok())
                               return reply(RefuseFor(object.status(), kind.noun + " " + name));
                             reply({.body = ShownEnabler(kind, slice, *object)});
                           });
        }));
  }

  /// Calls `go` with all enablers of the hub's slices.
  void WithAll(const RestReply& reply, const std::function<void(const Json&)>& go) const {
    ListSliceNamespaces(
        hub_, hub_.lifetime.Guard(
                  [*this, reply, go](const absl::StatusOr<std::map<std::string, std::string>>& slices) {
                    if (!slices.ok()) return reply(RefuseFor(slices.status(), "namespaces"));
                    AddOf(KindOf(kube::kIotGateways), *slices, Json::array(), reply,
                          [*this, slices, reply, go](Json some) {
                            AddOf(KindOf(kube::kIotServers), *slices, std::move(some), reply, go);
                          });
                  }));
  }

  void AddOf(const RestKind& kind, const std::map<std::string, std::string>& slices, Json enablers,
             const RestReply& reply, const std::function<void(const Json&)>& go) const {
    ListSorted(hub_, kind.resource, "", {},
               hub_.lifetime.Guard([&kind, slices, enablers = std::move(enablers), reply,
                                    go](const absl::StatusOr<std::vector<Json>>& found) mutable {
                 if (!found.ok()) return reply(RefuseFor(found.status(), kind.path));
                 for (const Json& object : *found) {
                   const auto slice = slices.find(kube::NamespaceOf(object));
                   if (slice != slices.end()) enablers.push_back(ShownEnabler(kind, slice->second, object));
                 }
                 go(enablers);
               }));
  }

  void OfSlices(const std::vector<Json>& slices, const std::string& cluster, bool own,
                const RestReply& reply) const {
    std::map<std::string, std::set<std::string>> inside;
    for (const Json& slice : slices) {
      for (const char* side : {"edge", "cloud"}) {
        const std::string named = kube::TextAt(slice, {"spec", side, "cluster"});
        if (named == cluster || (named.empty() && own)) inside[side].insert(kube::NameOf(slice));
      }
    }
    WithAll(reply, [inside, reply](const Json& enablers) mutable {
      RestAnswer answer{.body = Json::array()};
      for (const Json& enabler : enablers) {
        const bool gateway =
            enabler["helmChart"] == kEnablerRepository + EnablerWord(KindOf(kube::kIotGateways));
        if (inside[gateway ? "edge" : "cloud"].contains(enabler["vim"].get<std::string>())) {
          answer.body.push_back(enabler);
        }
      }
      reply(std::move(answer));
    });
  }

  const RestHub& hub_;
  const Json& components_;
};

}  // namespace

void AddCompatEnablerSchemas(Json& schemas) {
  const Json text = {{"type", "string"}}, truth = {{"type", "boolean"}}, object = {{"type", "object"}};
  schemas["CompatEnablerOrder"] = {
      {"type", "object"},
      {"additionalProperties", false},
      {"required", {"enablerName", "helmChart", "vim"}},
      {"properties",
       {{"enablerName", ParameterSchema("name")},
        {"helmChart",
         {{"type", "string"},
          {"minLength", 1},
          {"maxLength", 253},
          {"description",
           "slicelet/gateway or slicelet/server, with :PROFILE behind it. Another chart or profile is "
           "answered with "
           "404, another repository with 501."}}},
        {"additionalParams",
         {{"type", "object"}, {"description", "The spec of the IotGateway or IotServer."}}},
        {"vim", ParameterSchema("slice")},
        {"auto",
         {{"type", "boolean"},
          {"description",
           "Choose where it runs: a gateway on hosts of its slice's fleet node, by placementPolicy; a server "
           "on "
           "the slice's cloud node."}}},
        {"placementPolicy",
         {{"type", "string"},
          {"maxLength", 32},
          {"description",
           "A gateway's spec.target.placement; traffic-most when auto is true and it is left out. Servers "
           "are not "
           "ranked."}}}}}};
  schemas["CompatEnabler"] = {
      {"type", "object"},
      {"additionalProperties", false},
      {"required", {"id", "enablerName", "helmChart", "vim", "status", "suspended", "additionalParams"}},
      {"properties",
       {{"id", text},
        {"enablerName", text},
        {"helmChart", text},
        {"vim", text},
        {"status", text},
        {"suspended", truth},
        {"additionalParams", object}}}};
  schemas["CompatEnablerList"] = {{"type", "array"},
                                  {"items", {{"$ref", "#/components/schemas/CompatEnabler"}}}};
}

void AddCompatEnablerRoutes(const RestHub& hub, const Json& components, std::vector<RestRoute>& routes) {
  const std::string path = "/compat/v3/api/enabler";
  const auto add = [&](RestRoute route,
                       void (EnablerHandlers::*handler)(const RestCall&, const RestReply&) const) {
    route.handle = [handlers = EnablerHandlers(hub, components), handler](
                       const RestCall& call, const RestReply& reply) { (handlers.*handler)(call, reply); };
    routes.push_back(std::move(route));
  };
  add({.method = "POST",
       .path = path,
       .id = "compatCreateEnabler",
       .summary = "Makes an IotGateway or an IotServer in the slice that vim names.",
       .access = Access::kOperator,
       .request = "CompatEnablerOrder",
       .answer = "CompatEnabler",
       .refusals = {404, 409, 422}},
      &EnablerHandlers::Create);
  add({.method = "GET",
       .path = path + "/instanced",
       .id = "compatListEnablers",
       .summary = "The IotGateways and IotServers of all slices.",
       .answer = "CompatEnablerList"},
      &EnablerHandlers::Instanced);
  add({.method = "GET",
       .path = "/compat/v3/api/enabler_cluster/{cluster}",
       .id = "compatListEnablersOfCluster",
       .summary = "Those of the slices that have their edge, or their cloud, in one cluster.",
       .answer = "CompatEnablerList",
       .refusals = {404}},
      &EnablerHandlers::InCluster);
  add({.method = "POST",
       .path = path + "/{enabler}/terminate",
       .id = "compatTerminateEnabler",
       .summary = "Suspends it; its record stays.",
       .access = Access::kOperator,
       .answer = "CompatEnabler",
       .refusals = {404, 409, 422}},
      &EnablerHandlers::Terminate);
  add({.method = "DELETE",
       .path = path + "/{enabler}",
       .id = "compatDeleteEnabler",
       .summary = "Deletes it.",
       .access = Access::kOperator,
       .answer = "Deletion",
       .refusals = {404, 409}},
      &EnablerHandlers::Delete);
  add({.method = "DELETE",
       .path = path + "/pv/{enabler}",
       .id = "compatDeleteEnablerVolumes",
       .summary = "Always refused: an enabler has no claims here.",
       .access = Access::kOperator,
       .success = 0,
       .refusals = {404}},
      &EnablerHandlers::DeleteVolumes);
}

}  // namespace slicelet::provider
