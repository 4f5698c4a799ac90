#include "kube/shape/shape.h"

#include <nlohmann/json.hpp>
#include <string>

#include "kube/shape/schema.h"

namespace slicelet::kube {
namespace {

const Json& Shapes() {
  static const Json shapes = Json::parse(kShapes);
  return shapes;
}

/// Of one that is none of ours; empty for the others.
bool Fits(std::string_view type, const Json& value) {
  if (type == "text") return value.is_string();
  if (type == "int") return value.is_number_integer();
  if (type == "bool") return value.is_boolean();
  if (type == "quantity") return value.is_string() || value.is_number();
  if (type == "port") return value.is_string() || value.is_number_integer();
  return true;
}

const char* Described(std::string_view type) {
  if (type == "text") return "a text";
  if (type == "int") return "a whole number";
  if (type == "bool") return "true or false";
  if (type == "quantity") return "a quantity";
  if (type == "port") return "a port's number or name";
  return type.front() == '[' ? "a list" : "an object";
}

const char* Described(const Json& value) {
  if (value.is_null()) return "nothing";
  if (value.is_boolean()) return "true or false";
  if (value.is_number()) return "a number";
  if (value.is_string()) return "a text";
  return value.is_array() ? "a list" : "an object";
}

absl::Status Wrong(const std::string& where, const Json& value, std::string_view type) {
  return absl::InvalidArgumentError(where + ": is " + Described(value) + ", where " + Described(type) +
                                    " is needed");
}

std::string Below(const std::string& where, const std::string& member) {
  return where.empty() ? member : where + "." + member;
}

absl::Status Check(std::string_view type, const Json& value, const std::string& where);

absl::Status CheckMembers(const Json& shape, const Json& value, const std::string& where) {
  for (const auto& [member, inner] : value.items()) {
    const auto known = shape.find(member);
    if (known == shape.end() || inner.is_null()) continue;
    SLICELET_RETURN_IF_ERROR(Check(known->get_ref<const std::string&>(), inner, Below(where, member)));
  }
  return absl::OkStatus();
}

absl::Status Check(std::string_view type, const Json& value, const std::string& where) {
  const bool list = type.front() == '[';
  const bool map = type.front() == '{';
  if (list || map) {
    if (list ? !value.is_array() : !value.is_object()) return Wrong(where, value, type);
    const std::string_view inner = type.substr(1, type.size() - 2);
    std::size_t index = 0;
    for (const auto& [key, element] : value.items()) {
      const std::string at = list ? where + "[" + std::to_string(index++) + "]" : Below(where, key);
      SLICELET_RETURN_IF_ERROR(Check(inner, element, at));
    }
    return absl::OkStatus();
  }
  const auto shape = Shapes().find(std::string(type));
  if (shape == Shapes().end()) return Fits(type, value) ? absl::OkStatus() : Wrong(where, value, type);
  return value.is_object() ? CheckMembers(*shape, value, where) : Wrong(where, value, type);
}

}  // namespace

Json WithoutNulls(const Json& value) {
  if (!value.is_structured()) return value;
  Json kept = value.is_array() ? Json::array() : Json::object();
  for (const auto& [key, member] : value.items()) {
    if (value.is_array()) {
      kept.push_back(WithoutNulls(member));
    } else if (!member.is_null()) {
      kept[key] = WithoutNulls(member);
    }
  }
  return kept;
}

absl::Status CheckShape(std::string_view type, const Json& object, std::string_view where) {
  return Check(type, object, std::string(where));
}

}  // namespace slicelet::kube
