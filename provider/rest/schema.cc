#include "provider/rest/schema.h"

#include <regex>

#include "common/json/json.h"
#include "kube/object.h"

namespace slicelet::provider {
namespace {

/// Longer texts are left to the API server: std::regex recurses per character.
constexpr std::size_t kMaxMatched = 512;
/// Of a value within a message.
constexpr std::size_t kMaxShown = 64;

std::string Shown(const Json& value) {
  std::string text = DumpJson(value);
  if (text.size() <= kMaxShown) return text;
  std::size_t end = kMaxShown;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  return text.substr(0, end) + "...";
}

/// In characters, as Kubernetes counts.
std::size_t Length(const std::string& text) {
  std::size_t count = 0;
  for (const char c : text) count += (static_cast<unsigned char>(c) & 0xC0U) != 0x80U ? 1 : 0;
  return count;
}

bool Fits(const std::string& type, const Json& value) {
  if (type == "object") return value.is_object();
  if (type == "array") return value.is_array();
  if (type == "string") return value.is_string();
  if (type == "boolean") return value.is_boolean();
  if (type == "number") return value.is_number();
  if (type == "integer") return value.is_number_integer();
  return false;
}

class Check {
 public:
  Check(const Json& components, std::vector<Violation>& found) : components_(components), found_(found) {}

  void Value(const Json& schema, const Json& value, const std::string& field) {
    if (found_.size() >= kMaxViolations) return;
    if (const std::string ref = kube::TextAt(schema, {"$ref"}); !ref.empty()) {
      static constexpr std::string_view kComponents = "#/components";
      const Json* target = FindJson(components_, std::string_view(ref).substr(kComponents.size()));
      if (target == nullptr) return Add(field, "has the unknown schema " + ref);
      return Value(*target, value, field);
    }
    if (value.is_null() && schema.value("nullable", false)) return;
    const std::string type = kube::TextAt(schema, {"type"});
    if (!type.empty() && !Fits(type, value)) {
      return Add(field, "is " + Shown(value) + ", not of type " + type);
    }
    if (const auto choices = schema.find("enum"); choices != schema.end()) {
      bool known = false;
      for (const Json& choice : *choices) known = known || choice == value;
      if (!known) return Add(field, "is " + Shown(value) + ", not one of " + DumpJson(*choices));
    }
    if (const auto any = schema.find("anyOf"); any != schema.end() && !FitsAny(*any, value)) {
      return Add(field, "is " + Shown(value) + ", which fits none of " + DumpJson(*any));
    }
    if (value.is_object()) return Object(schema, value, field);
    if (value.is_array()) return Array(schema, value, field);
    if (value.is_string()) return Text(schema, value, field);
    if (value.is_number()) Number(schema, value, field);
  }

 private:
  void Add(const std::string& field, const std::string& problem) {
    if (found_.size() < kMaxViolations) found_.push_back({field.empty() ? "body" : field, problem});
  }

  bool FitsAny(const Json& choices, const Json& value) {
    for (const Json& choice : choices) {
      std::vector<Violation> problems;
      Check(components_, problems).Value(choice, value, "");
      if (problems.empty()) return true;
    }
    return false;
  }

  void Count(const Json& schema, const char* least, const char* most, std::size_t count, const char* of,
             const std::string& field) {
    const std::string has = "has " + std::to_string(count) + " " + of + ", ";
    if (schema.contains(least) && count < schema[least].get<std::size_t>()) {
      Add(field, has + "fewer than " + std::to_string(schema[least].get<std::size_t>()));
    }
    if (schema.contains(most) && count > schema[most].get<std::size_t>()) {
      Add(field, has + "more than " + std::to_string(schema[most].get<std::size_t>()));
    }
  }

  static std::string Below(const std::string& field, const std::string& member) {
    return field.empty() ? member : field + "." + member;
  }

  void Object(const Json& schema, const Json& value, const std::string& field) {
    Count(schema, "minProperties", "maxProperties", value.size(), "members", field);
    for (const Json& name : GetArray(schema, "/required")) {
      const auto& text = name.get_ref<const std::string&>();
      if (!value.contains(text)) Add(Below(field, text), "is missing");
    }
    const Json& properties = GetObject(schema, "/properties");
    const auto more = schema.find("additionalProperties");
    for (const auto& [name, inner] : value.items()) {
      if (const auto known = properties.find(name); known != properties.end()) {
        Value(*known, inner, Below(field, name));
      } else if (more != schema.end() && more->is_object()) {
        Value(*more, inner, Below(field, name));
      } else if (more != schema.end() && *more == false) {
        std::string names;
        for (const auto& [property, ignored] : properties.items()) {
          names += (names.empty() ? "" : ", ") + property;
        }
        Add(Below(field, name), "is unknown; known: " + names);
      }
    }
  }

  void Array(const Json& schema, const Json& value, const std::string& field) {
    Count(schema, "minItems", "maxItems", value.size(), "items", field);
    const auto items = schema.find("items");
    if (items == schema.end()) return;
    for (std::size_t i = 0; i < value.size(); ++i) {
      Value(*items, value[i], field + "[" + std::to_string(i) + "]");
    }
  }

  void Text(const Json& schema, const Json& value, const std::string& field) {
    const auto& text = value.get_ref<const std::string&>();
    Count(schema, "minLength", "maxLength", Length(text), "characters", field);
    const std::string pattern = kube::TextAt(schema, {"pattern"});
    if (pattern.empty() || text.size() > kMaxMatched) return;
    if (!std::regex_search(text, std::regex(pattern, std::regex::ECMAScript))) {
      Add(field, "is " + Shown(value) + ", which does not match " + pattern);
    }
  }

  void Number(const Json& schema, const Json& value, const std::string& field) {
    if (schema.contains("minimum") && value < schema["minimum"]) {
      Add(field, "is " + Shown(value) + ", less than " + DumpJson(schema["minimum"]));
    }
    if (schema.contains("maximum") && value > schema["maximum"]) {
      Add(field, "is " + Shown(value) + ", more than " + DumpJson(schema["maximum"]));
    }
  }

  const Json& components_;
  std::vector<Violation>& found_;
};

/// Applies `change` to every object schema in a schema, those inside arrays included when `arrays`.
template <typename Change>
void ForEachSchema(Json& schema, bool arrays, const Change& change) {
  change(schema);
  if (const auto properties = schema.find("properties"); properties != schema.end()) {
    for (Json& property : *properties) ForEachSchema(property, arrays, change);
  }
  if (const auto more = schema.find("additionalProperties"); more != schema.end() && more->is_object()) {
    ForEachSchema(*more, arrays, change);
  }
  if (const auto items = schema.find("items"); arrays && items != schema.end()) {
    ForEachSchema(*items, arrays, change);
  }
}

}  // namespace

std::vector<Violation> CheckValue(const Json& schema, const Json& value, const std::string& field,
                                  const Json& components) {
  std::vector<Violation> found;
  Check(components, found).Value(schema, value, field);
  return found;
}

Json Closed(Json schema) {
  ForEachSchema(schema, true, [](Json& part) {
    if (part.contains("properties") && !part.contains("additionalProperties") &&
        !part.value("x-kubernetes-preserve-unknown-fields", false)) {
      part["additionalProperties"] = false;
    }
  });
  return schema;
}

Json ForPatch(Json schema) {
  ForEachSchema(schema, false, [](Json& part) {
    for (const char* key : {"required", "minProperties", "default"}) part.erase(key);
    for (const char* key : {"properties", "additionalProperties"}) {
      const auto inner = part.find(key);
      if (inner == part.end() || !inner->is_object()) continue;
      if (key == std::string_view("additionalProperties")) {
        (*inner)["nullable"] = true;
        continue;
      }
      for (Json& property : *inner) property["nullable"] = true;
    }
  });
  return schema;
}

}  // namespace slicelet::provider
