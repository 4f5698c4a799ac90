#include "cli/kinds/schema.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <string_view>

#include "common/json/json.h"
#include "common/json/yaml.h"
#include "kube/definitions/definitions.h"

namespace slicelet::cli {
namespace {

constexpr char kImmutable[] = "self == oldSelf";

bool IsImmutable(const Json& field) {
  const Json& rules = GetArray(field, "/x-kubernetes-validations");
  return std::any_of(rules.begin(), rules.end(),
                     [](const Json& rule) { return GetString(rule, "/rule") == kImmutable; });
}

FieldType TypeOf(const Json& field) {
  const std::string type = GetString(field, "/type");
  if (type == "integer") return FieldType::kInteger;
  if (type == "number") return FieldType::kNumber;
  if (type == "boolean") return FieldType::kBoolean;
  if (type == "array") {
    return GetString(field, "/items/type") == "object" ? FieldType::kResources : FieldType::kTexts;
  }
  if (type == "object") return field.contains("additionalProperties") ? FieldType::kMap : FieldType::kFile;
  return FieldType::kText;
}

/// A pod template is one value, not hundreds of them.
bool IsGroup(const Json& field) {
  return GetString(field, "/type") == "object" && field.contains("properties") &&
         !field["properties"].contains("spec");
}

void AddFields(const Json& object, const std::string& prefix, bool required, std::vector<Field>& fields) {
  const Json& needed = GetArray(object, "/required");
  for (const auto& [name, field] : GetObject(object, "/properties").items()) {
    const bool needs = required && std::find(needed.begin(), needed.end(), name) != needed.end();
    std::string path = prefix;
    if (!path.empty()) path += '.';
    path += name;
    if (IsGroup(field)) {
      AddFields(field, path, needs, fields);
      continue;
    }
    Field made{.path = path,
               .type = TypeOf(field),
               .about = GetString(field, "/description"),
               .immutable = IsImmutable(field),
               .required = needs};
    for (const Json& value : GetArray(field, "/enum")) made.values.push_back(value.get<std::string>());
    fields.push_back(std::move(made));
  }
}

}  // namespace

absl::StatusOr<Schema> ReadSchema(const Json& definition) {
  const Json* version = FindJson(definition, "/spec/versions/0");
  if (version == nullptr) return absl::InvalidArgumentError("a CustomResourceDefinition without versions");
  Schema schema{.columns = {{.name = "Name", .path = ".metadata.name"}}};
  for (const Json& column : GetArray(*version, "/additionalPrinterColumns")) {
    schema.columns.push_back({GetString(column, "/name"), GetString(column, "/jsonPath"),
                              GetString(column, "/type"), GetInt(column, "/priority") > 0});
  }
  AddFields(GetObject(*version, "/schema/openAPIV3Schema/properties/spec"), "", true, schema.fields);
  return schema;
}

const Schema& SchemaOf(const kube::Resource& kind) {
  static std::map<std::string, Schema> known;
  const auto it = known.find(kind.plural);
  if (it != known.end()) return it->second;
  const auto definition = ParseYaml(kube::CustomResourceDefinitions().at(kind.plural));
  // Built in, and read by this program's tests.
  return known.emplace(kind.plural, *ReadSchema(*definition)).first->second;
}

const Json* AtColumnPath(const Json& object, const std::string& path) {
  constexpr std::string_view kFilter = "[?(@.";
  const Json* at = &object;
  std::size_t next = 0;
  while (next < path.size()) {
    if (path[next] == '.') {
      const std::size_t end = std::min(path.find_first_of(".[", next + 1), path.size());
      const auto member = at->is_object() ? at->find(path.substr(next + 1, end - next - 1)) : at->end();
      if (!at->is_object() || member == at->end()) return nullptr;
      at = &*member;
      next = end;
      continue;
    }
    // [?(@.KEY=="VALUE")]
    const std::size_t equals = path.find("==\"", next);
    const std::size_t end = path.find("\")]", next);
    if (path.compare(next, kFilter.size(), kFilter) != 0 || equals > end || end == std::string::npos) {
      return nullptr;
    }
    const std::string key = path.substr(next + kFilter.size(), equals - next - kFilter.size());
    const std::string value = path.substr(equals + 3, end - equals - 3);
    if (!at->is_array()) return nullptr;
    const auto entry = std::find_if(at->begin(), at->end(),
                                    [&](const Json& one) { return GetString(one, "/" + key) == value; });
    if (entry == at->end()) return nullptr;
    at = &*entry;
    next = end + 3;
  }
  return at;
}

}  // namespace slicelet::cli
