#include <optional>
#include <utility>

#include "common/json/json.h"
#include "kube/object.h"
#include "provider/rest/compat_routes.h"
#include "provider/rest/kinds.h"
#include "provider/rest/schema.h"

namespace slicelet::provider {
namespace {

constexpr char kRepository[] = "slicelet/";

/// "SLICE.gateway.NAME"; neither slice nor name holds a dot.
struct EnablerId {
  std::string slice;
  const RestKind* kind = nullptr;
  std::string name;
};

/// The last word of a chart's name and of an id.
std::string WordOf(const RestKind& kind) { return kind.path.substr(0, kind.path.size() - 1); }

const RestKind* KindOfWord(const std::string& word) {
  for (const kube::Resource* resource : {&kube::kIotGateways, &kube::kIotServers}) {
    if (WordOf(KindOf(*resource)) == word) return &KindOf(*resource);
  }
  return nullptr;
}

std::optional<EnablerId> ParseId(const std::string& text) {
  const auto first = text.find('.');
  const auto second = first == std::string::npos ? first : text.find('.', first + 1);
  if (second == std::string::npos || text.find('.', second + 1) != std::string::npos) return std::nullopt;
  EnablerId id{text.substr(0, first), KindOfWord(text.substr(first + 1, second - first - 1)),
               text.substr(second + 1)};
  if (id.kind == nullptr || id.slice.empty() || id.name.empty()) return std::nullopt;
  return id;
}

Json ShownEnabler(const RestKind& kind, const std::string& slice, const Json& object) {
  return {{"id", slice + "." + WordOf(kind) + "." + kube::NameOf(object)},
          {"enablerName", kube::NameOf(object)},
          {"helmChart", kRepository + WordOf(kind)},
          {"vim", slice},
          {"status", kube::TextAt(object, {"status", "phase"})},
          {"suspended", GetBool(object, "/spec/suspended")},
          {"additionalParams", object.value("spec", Json::object())}};
}

RestAnswer RefuseUnknown(const std::string& id) {
  return RefuseFor(absl::NotFoundError(""), "enabler " + id);
}

/// The orchestrator's names of what we call traffic-most, which was also what no name meant.
std::string PolicyOf(const Json& body) {
  const std::string given = GetString(body, "/placementPolicy");
  if (given.empty()) return GetBool(body, "/auto") ? "traffic-most" : "";
  return given == "most-traffic" || given == "most_traffic" ? "traffic-most" : given;
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
    const std::string chart = call.body["helmChart"].get<std::string>();
    if (chart.rfind(kRepository, 0) != 0) {
      return reply(Refuse({.status = 501,
                           .reason = "ChartsNotSupported",
                           .error = "slicelet installs no charts, and so no " + chart,
                           .field = "helmChart",
                           .remedy = "slicelet/gateway makes an IotGateway, slicelet/server an IotServer"}));
    }
    const auto colon = chart.find(':');
    const std::string word = chart.substr(
        sizeof(kRepository) - 1, colon == std::string::npos ? colon : colon - sizeof(kRepository) + 1);
    const RestKind* kind = KindOfWord(word);
    if (kind == nullptr) return reply(RefuseFor(absl::NotFoundError(""), "chart " + chart));
    Json spec = call.body.value("additionalParams", Json::object());
    spec.erase("slice");
    if (colon != std::string::npos) spec["profile"] = chart.substr(colon + 1);
    if (const std::string policy = PolicyOf(call.body); !policy.empty()) {
      if (!spec.contains("target")) spec["target"] = Json::object();
      if (spec["target"].is_object()) spec["target"]["placement"] = policy;
    }
    const Json& schemas = components_["schemas"];
    const auto violations = CheckValue(schemas[kind->noun + "Create"]["properties"]["spec"], spec,
                                       "additionalParams", components_);
    if (!violations.empty()) return reply(RefuseInput(violations));
    MakeEnabler(*kind, call.body["vim"].get<std::string>(), call.body["enablerName"].get<std::string>(), spec,
                reply);
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
        const bool gateway = enabler["helmChart"] == kRepository + WordOf(KindOf(kube::kIotGateways));
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
           "slicelet/gateway or slicelet/server, with :PROFILE behind it. Others are answered with 501."}}},
        {"additionalParams",
         {{"type", "object"}, {"description", "The spec of the IotGateway or IotServer."}}},
        {"vim", ParameterSchema("slice")},
        {"auto", {{"type", "boolean"}, {"description", "Choose hosts by placementPolicy."}}},
        {"placementPolicy",
         {{"type", "string"},
          {"maxLength", 32},
          {"description", "spec.target.placement; traffic-most when auto is true and it is left out."}}}}}};
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
