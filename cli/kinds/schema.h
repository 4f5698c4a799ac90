#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "common/base/status.h"
#include "kube/kube_api.h"

namespace slicelet::cli {

using Json = nlohmann::json;

/// A column of `kubectl get`.
struct Column {
  std::string name;
  std::string path;  // ".status.phase"
  std::string type;  // "date" is shown as an age
  bool wide = false;
};

enum class FieldType {
  kText,
  kInteger,
  kNumber,
  kBoolean,
  kTexts,      // a list of texts
  kMap,        // texts by name
  kResources,  // what an IoT device measures
  kFile,       // a part of a manifest, from a file
};

/// A field of the spec that the command line can set.
struct Field {
  std::string path;  // below spec: "target.host"
  FieldType type = FieldType::kText;
  std::string about;
  std::vector<std::string> values;  // the only ones allowed, if there are such
  bool immutable = false;
  bool required = false;  // by itself, not only within an object that may be left out
};

struct Schema {
  std::vector<Column> columns;
  std::vector<Field> fields;
};

/// Columns and fields of a CustomResourceDefinition's first version. A new field of the definition is a new
/// field here.
absl::StatusOr<Schema> ReadSchema(const Json& definition);

/// Of one of slicelet's kinds, from the definitions that this program was built with.
const Schema& SchemaOf(const kube::Resource& kind);

/// What stands at a column's path: `.a.b`, or `.a[?(@.type=="Ready")].b` for an entry of a list. Null when it
/// is missing.
const Json* AtColumnPath(const Json& object, const std::string& path);

}  // namespace slicelet::cli
