#include "provider/rest/kinds.h"

#include "common/json/json.h"
#include "common/json/yaml.h"
#include "kube/definitions/definitions.h"
#include "kube/object.h"
#include "provider/rest/schema.h"

namespace slicelet::provider {
namespace {

Json Text(const std::string& description) { return {{"type", "string"}, {"description", description}}; }

Json ObjectSchema(const Json& spec, const Json& status, const RestKind& kind) {
  Json schema = {
      {"type", "object"},
      {"required", {"name", "namespace", "uid", "resourceVersion", "createdAt", "deleting", "spec"}},
      {"additionalProperties", false},
      {"properties",
       {{"name", Text("")},
        {"namespace", Text("Where Kubernetes has it.")},
        {"uid", Text("")},
        {"resourceVersion", Text("For a change that must not meet another one.")},
        {"createdAt", Text("")},
        {"deleting", {{"type", "boolean"}, {"description", "It goes, once what was made for it is undone."}}},
        {"spec", spec},
        {"status", status}}}};
  if (kind.in_slice) schema["properties"]["slice"] = Text("The IotSlice whose namespace it is in.");
  return schema;
}

Json ListSchema(const RestKind& kind) {
  return {{"type", "object"},
          {"required", {"items"}},
          {"additionalProperties", false},
          {"properties",
           {{"items", {{"type", "array"}, {"items", {{"$ref", "#/components/schemas/" + kind.noun}}}}},
            {"continue", Text("There is more: give it as query parameter continue.")}}}};
}

/// What is sent: `spec` without what the path says.
Json CreateSchema(Json spec, const RestKind& kind) {
  if (kind.names_slice) {
    spec["properties"].erase("slice");
    auto& required = spec["required"];
    for (auto it = required.begin(); it != required.end();) {
      it = *it == "slice" ? required.erase(it) : it + 1;
    }
    if (required.empty()) spec.erase("required");
  }
  return {{"type", "object"},
          {"required", {"name", "spec"}},
          {"properties",
           {{"name",
             {{"type", "string"},
              {"minLength", 1},
              {"maxLength", 63},
              {"pattern", "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"}}},
            {"spec", std::move(spec)}}}};
}

}  // namespace

const std::vector<RestKind>& RestKinds() {
  static const auto* const kKinds = new std::vector<RestKind>{
      {kube::kIotClusters, "clusters", "IotCluster"},
      {kube::kEdgeHosts, "hosts", "EdgeHost"},
      {kube::kIotSlices, "slices", "IotSlice"},
      {kube::kIotGateways, "gateways", "IotGateway", true, true},
      {kube::kIotServers, "servers", "IotServer", true, true},
      {kube::kIotDevices, "devices", "IotDevice", true, false},
  };
  return *kKinds;
}

const RestKind& KindOf(const kube::Resource& resource) {
  for (const RestKind& kind : RestKinds()) {
    if (kind.resource == resource) return kind;
  }
  return RestKinds().front();
}

absl::Status AddKindSchemas(Json& schemas) {
  for (const RestKind& kind : RestKinds()) {
    const auto& definitions = kube::CustomResourceDefinitions();
    const auto text = definitions.find(kind.resource.plural);
    if (text == definitions.end()) return absl::InternalError("no definition of " + kind.noun);
    SLICELET_ASSIGN_OR_RETURN(const Json definition, ParseYaml(text->second));
    const Json* schema = FindJson(definition, "/spec/versions/0/schema/openAPIV3Schema/properties");
    if (schema == nullptr) return absl::InternalError("the definition of " + kind.noun + " has no schema");
    const Json& spec = schema->at("spec");
    const Json create = CreateSchema(spec, kind);
    Json patch = {{"type", "object"},
                  {"required", {"spec"}},
                  {"additionalProperties", false},
                  {"properties",
                   {{"resourceVersion",
                     {{"type", "string"},
                      {"pattern", "^[0-9]{1,20}$"},
                      {"description", "Change it only if it still is this one."}}},
                    {"spec", Closed(ForPatch(create["properties"]["spec"]))}}}};
    schemas[kind.noun] = ObjectSchema(spec, schema->at("status"), kind);
    schemas[kind.noun + "List"] = ListSchema(kind);
    schemas[kind.noun + "Create"] = Closed(create);
    schemas[kind.noun + "Patch"] = std::move(patch);
  }
  return absl::OkStatus();
}

Json ShownObject(const Json& object, const std::string& slice) {
  Json shown = {{"name", kube::NameOf(object)},
                {"namespace", kube::NamespaceOf(object)},
                {"uid", kube::UidOf(object)},
                {"resourceVersion", kube::ResourceVersionOf(object)},
                {"createdAt", kube::TextAt(object, {"metadata", "creationTimestamp"})},
                {"deleting", kube::BeingDeleted(object)},
                {"spec", object.value("spec", Json::object())}};
  if (!slice.empty()) shown["slice"] = slice;
  if (const Json* status = kube::Find(object, {"status"}); status != nullptr) shown["status"] = *status;
  return shown;
}

}  // namespace slicelet::provider
