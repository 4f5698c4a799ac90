#include "kubelet-shim/api/directory_routes.h"

#include <nlohmann/json.hpp>
#include <optional>

#include "common/json/json.h"

namespace slicelet::shim {
namespace {

struct Wanted {
  kube::Resource resource;
  std::string ns;
  std::string name;
};

std::optional<Wanted> Find(const std::vector<std::string>& path) {
  if (path.size() < 3 || path[0] != "api" || path[1] != "v1") return std::nullopt;
  Wanted wanted;
  std::size_t next = 2;
  if (path[2] == "namespaces") {
    if (path.size() < 5) return std::nullopt;
    wanted.ns = path[3];
    next = 4;
  }
  for (const auto* resource : {&kube::kNodes, &kube::kPods, &kube::kEvents}) {
    if (resource->plural == path[next]) wanted.resource = *resource;
  }
  if (wanted.resource.plural.empty() || (wanted.resource.namespaced == false && !wanted.ns.empty())) {
    return std::nullopt;
  }
  if (path.size() == next + 1) return wanted;
  const bool names_one = path.size() == next + 2 && !path.back().empty();
  if (!names_one || (wanted.resource.namespaced && wanted.ns.empty())) return std::nullopt;
  wanted.name = path.back();
  return wanted;
}

int HttpStatus(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kInvalidArgument:
      return 400;
    case absl::StatusCode::kNotFound:
      return 404;
    case absl::StatusCode::kUnavailable:
      return 503;
    default:
      return 500;
  }
}

void Answer(HttpExchange& exchange, const absl::Status& status, const Json& object) {
  HttpResponse response;
  response.content_type = "application/json";
  if (status.ok()) {
    response.body = DumpJson(object);
  } else {
    response.status = HttpStatus(status.code());
    response.body = DumpJson({{"kind", "Status"},
                              {"apiVersion", "v1"},
                              {"status", "Failure"},
                              {"code", response.status},
                              {"message", Message(status)}});
  }
  exchange.Respond(std::move(response));
}

}  // namespace

bool ServeDirectory(kube::KubeApi& directory, const std::shared_ptr<HttpExchange>& exchange) {
  const auto& target = exchange->request().target;
  const auto wanted = Find(target.segments);
  if (!wanted) return false;
  if (!wanted->name.empty()) {
    directory.Get({wanted->resource, wanted->ns, wanted->name, ""},
                  [exchange](const absl::StatusOr<Json>& object) {
                    Answer(*exchange, object.status(), object.ok() ? *object : Json());
                  });
    return true;
  }
  kube::ListOptions options;
  options.field_selector = target.Query("fieldSelector").value_or("");
  options.label_selector = target.Query("labelSelector").value_or("");
  directory.List(wanted->resource, wanted->ns, options,
                 [exchange, kind = wanted->resource.kind](absl::StatusOr<kube::ObjectList> list) {
                   if (!list.ok()) return Answer(*exchange, list.status(), {});
                   Answer(*exchange, absl::OkStatus(),
                          {{"kind", kind + "List"},
                           {"apiVersion", "v1"},
                           {"metadata", {{"resourceVersion", list->resource_version}}},
                           {"items", std::move(list->items)}});
                 });
  return true;
}

}  // namespace slicelet::shim
