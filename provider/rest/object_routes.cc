#include "provider/rest/object_routes.h"

#include <utility>

#include "kube/object.h"
#include "provider/rest/kinds.h"

namespace slicelet::provider {
namespace {

using InNamespace = std::function<void(const std::string& ns, RestReply reply)>;

std::string Called(const RestKind& kind, const std::string& name) { return kind.noun + " " + name; }

std::string SliceIn(const RestCall& call) {
  const auto it = call.path.find("slice");
  return it == call.path.end() ? "" : it->second;
}

class ObjectHandlers {
 public:
  ObjectHandlers(const RestHub& hub, const RestKind& kind) : hub_(hub), kind_(kind) {}

  void ListAll(const RestCall& call, const RestReply& reply) const {
    if (Absent()) return reply(RefuseStandalone(kind_.noun));
    if (!kind_.in_slice) return ListIn(call, hub_.ns, reply);
    ListSliceNamespaces(
        hub_, hub_.lifetime.Guard([*this, call,
                                   reply](const absl::StatusOr<std::map<std::string, std::string>>& slices) {
          if (!slices.ok()) return reply(RefuseFor(slices.status(), "namespaces"));
          ListSorted(hub_, kind_.resource, "", {},
                     [*this, call, reply, slices = *slices](absl::StatusOr<std::vector<Json>> found) {
                       if (!found.ok()) return reply(RefuseFor(found.status(), kind_.path));
                       std::erase_if(*found, [&](const Json& object) {
                         return !slices.contains(kube::NamespaceOf(object));
                       });
                       reply(AnswerPage(*found, call.Query("limit"), call.Query("continue"),
                                        [&](const Json& object) {
                                          return ShownObject(object, slices.at(kube::NamespaceOf(object)));
                                        }));
                     });
        }));
  }

  void ListOfSlice(const RestCall& call, const RestReply& reply) const {
    WithNamespace(call, reply, [*this, call](const std::string& ns, const RestReply& done) {
      if (ns.empty()) return done({.body = {{"items", Json::array()}}});
      ListIn(call, ns, done);
    });
  }

  void Get(const RestCall& call, const RestReply& reply) const {
    const std::string& name = call.path.at("name");
    WithNamespace(call, reply, [*this, call, name](const std::string& ns, const RestReply& done) {
      if (ns.empty()) return done(RefuseFor(absl::NotFoundError(""), Called(kind_, name)));
      hub_.kube.Get({kind_.resource, ns, name, ""}, Shown(call, name, 200, done));
    });
  }

  void Create(const RestCall& call, const RestReply& reply) const {
    if (hub_.standalone) return reply(RefuseStandalone("making " + kind_.noun + "s"));
    const std::string name = call.body["name"].get<std::string>();
    WithNamespace(call, reply, [*this, call, name](const std::string& ns, const RestReply& done) {
      if (ns.empty()) return done(RefuseUnready(SliceIn(call)));
      Json object = {{"metadata", {{"name", name}}}, {"spec", call.body["spec"]}};
      if (kind_.names_slice) object["spec"]["slice"] = SliceIn(call);
      hub_.kube.Create({kind_.resource, ns, name, ""}, object, Shown(call, name, 201, done));
    });
  }

  void Patch(const RestCall& call, const RestReply& reply) const {
    if (hub_.standalone) return reply(RefuseStandalone("changing " + kind_.noun + "s"));
    const std::string& name = call.path.at("name");
    WithNamespace(call, reply, [*this, call, name](const std::string& ns, const RestReply& done) {
      if (ns.empty()) return done(RefuseFor(absl::NotFoundError(""), Called(kind_, name)));
      Json patch = {{"spec", call.body["spec"]}};
      if (call.body.contains("resourceVersion")) {
        patch["metadata"]["resourceVersion"] = call.body["resourceVersion"];
      }
      hub_.kube.Patch({kind_.resource, ns, name, ""}, kube::PatchType::kMerge, patch,
                      Shown(call, name, 200, done));
    });
  }

  void Delete(const RestCall& call, const RestReply& reply) const {
    if (hub_.standalone) return reply(RefuseStandalone("deleting " + kind_.noun + "s"));
    const std::string& name = call.path.at("name");
    const bool give_up = call.Query("giveUp") == "true";
    WithNamespace(call, reply, [*this, name, give_up](const std::string& ns, const RestReply& done) {
      if (ns.empty()) return done(RefuseFor(absl::NotFoundError(""), Called(kind_, name)));
      const kube::ObjectRef ref{kind_.resource, ns, name, ""};
      DeleteObject(hub_, ref, give_up, [*this, name, done](const absl::Status& status) {
        if (!status.ok()) return done(RefuseFor(status, Called(kind_, name)));
        done({.status = 202, .body = {{"name", name}, {"deleting", true}}});
      });
    });
  }

 private:
  /// A directory of manifests has none of our kinds but EdgeHosts.
  [[nodiscard]] bool Absent() const { return hub_.standalone && kind_.resource != kube::kEdgeHosts; }

  /// Calls `go` with the namespace that the path leads to; "" for that of a slice that has none.
  void WithNamespace(const RestCall& call, const RestReply& reply, InNamespace go) const {
    if (Absent()) return reply(RefuseStandalone(kind_.noun));
    if (!kind_.in_slice) return go(hub_.ns, reply);
    const std::string slice = SliceIn(call);
    FindSliceNamespace(
        hub_, slice,
        hub_.lifetime.Guard([reply, slice, go = std::move(go)](const absl::StatusOr<std::string>& ns) {
          if (!ns.ok()) return reply(RefuseFor(ns.status(), "IotSlice " + slice));
          go(*ns, reply);
        }));
  }

  void ListIn(const RestCall& call, const std::string& ns, const RestReply& reply) const {
    ListSorted(hub_, kind_.resource, ns, {},
               [*this, call, reply](const absl::StatusOr<std::vector<Json>>& found) {
                 if (!found.ok()) return reply(RefuseFor(found.status(), kind_.path));
                 reply(AnswerPage(*found, call.Query("limit"), call.Query("continue"),
                                  [&](const Json& object) { return ShownObject(object, SliceIn(call)); }));
               });
  }

  [[nodiscard]] Callback<Json> Shown(const RestCall& call, const std::string& name, int status,
                                     const RestReply& reply) const {
    return [*this, slice = SliceIn(call), name, status, reply](const absl::StatusOr<Json>& object) {
      if (!object.ok()) return reply(RefuseFor(object.status(), Called(kind_, name)));
      reply({.status = status, .body = ShownObject(*object, slice)});
    };
  }

  static RestAnswer RefuseUnready(const std::string& slice) {
    return Refuse({.status = 409,
                   .reason = "SliceNotReady",
                   .error = "IotSlice " + slice + " has no namespace yet",
                   .remedy = "wait until it is Ready; its condition Ready says what holds it up"});
  }

  const RestHub& hub_;
  const RestKind& kind_;
};

void AddRoutes(const RestHub& hub, const RestKind& kind, std::vector<RestRoute>& routes) {
  using Handler = void (ObjectHandlers::*)(const RestCall&, const RestReply&) const;
  const auto handle = [&hub, &kind](Handler handler) {
    return [handlers = ObjectHandlers(hub, kind), handler](const RestCall& call, const RestReply& reply) {
      (handlers.*handler)(call, reply);
    };
  };
  const std::string many = kind.noun + "s";
  const std::string collection = kind.in_slice ? "/v1/slices/{slice}/" + kind.path : "/v1/" + kind.path;
  const std::set<int> reading = {403, 503};
  const auto with = [](std::set<int> statuses, std::initializer_list<int> more) {
    statuses.insert(more);
    return statuses;
  };
  const auto add = [&](RestRoute route, Handler handler) {
    route.tag = kind.path;
    if (kind.resource != kube::kEdgeHosts || route.method != "GET") route.refusals.insert(501);
    route.handle = handle(handler);
    routes.push_back(std::move(route));
  };
  add({.method = "GET",
       .path = "/v1/" + kind.path,
       .id = "list" + many,
       .summary = kind.in_slice ? "The " + many + " of all slices." : "The hub's " + many + ".",
       .query = {"limit", "continue"},
       .answer = kind.noun + "List",
       .refusals = reading},
      &ObjectHandlers::ListAll);
  if (kind.in_slice) {
    add({.method = "GET",
         .path = collection,
         .id = "list" + many + "OfSlice",
         .summary = "The " + many + " of one slice.",
         .query = {"limit", "continue"},
         .answer = kind.noun + "List",
         .refusals = with(reading, {404})},
        &ObjectHandlers::ListOfSlice);
  }
  add({.method = "POST",
       .path = collection,
       .id = "create" + kind.noun,
       .summary = "Makes one.",
       .access = Access::kOperator,
       .request = kind.noun + "Create",
       .success = 201,
       .answer = kind.noun,
       .refusals = with(reading, {404, 409, 422})},
      &ObjectHandlers::Create);
  add({.method = "GET",
       .path = collection + "/{name}",
       .id = "get" + kind.noun,
       .summary = "One of them.",
       .answer = kind.noun,
       .refusals = with(reading, {404})},
      &ObjectHandlers::Get);
  add({.method = "PATCH",
       .path = collection + "/{name}",
       .id = "patch" + kind.noun,
       .summary = "Changes its spec by a merge patch (RFC 7396).",
       .access = Access::kOperator,
       .request = kind.noun + "Patch",
       .answer = kind.noun,
       .refusals = with(reading, {404, 409, 422})},
      &ObjectHandlers::Patch);
  add({.method = "DELETE",
       .path = collection + "/{name}",
       .id = "delete" + kind.noun,
       .summary = "Deletes it. What was made for it is undone first.",
       .access = Access::kOperator,
       .query = {"giveUp"},
       .success = 202,
       .answer = "Deletion",
       .refusals = with(reading, {404, 409})},
      &ObjectHandlers::Delete);
}

}  // namespace

std::vector<RestRoute> ObjectRoutes(const RestHub& hub) {
  std::vector<RestRoute> routes;
  for (const RestKind& kind : RestKinds()) AddRoutes(hub, kind, routes);
  return routes;
}

}  // namespace slicelet::provider
