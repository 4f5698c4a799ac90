#include "kube/object.h"

#include <charconv>
#include <nlohmann/json.hpp>

namespace slicelet::kube {

const Json* Find(const Json& object, std::initializer_list<std::string_view> path) {
  const Json* at = &object;
  for (const auto key : path) {
    if (!at->is_object()) return nullptr;
    const auto it = at->find(key);
    if (it == at->end()) return nullptr;
    at = &*it;
  }
  return at;
}

std::string TextAt(const Json& object, std::initializer_list<std::string_view> path) {
  const Json* found = Find(object, path);
  return found != nullptr && found->is_string() ? found->get<std::string>() : std::string();
}

std::int64_t IntegerAt(const Json& object, std::initializer_list<std::string_view> path,
                       std::int64_t otherwise) {
  const Json* found = Find(object, path);
  return found != nullptr && found->is_number_integer() ? found->get<std::int64_t>() : otherwise;
}

std::string NameOf(const Json& object) { return TextAt(object, {"metadata", "name"}); }
std::string NamespaceOf(const Json& object) { return TextAt(object, {"metadata", "namespace"}); }
std::string UidOf(const Json& object) { return TextAt(object, {"metadata", "uid"}); }
std::string ResourceVersionOf(const Json& object) { return TextAt(object, {"metadata", "resourceVersion"}); }
bool BeingDeleted(const Json& object) { return !TextAt(object, {"metadata", "deletionTimestamp"}).empty(); }

const Json* ConditionOf(const Json& object, std::string_view type) {
  const Json* conditions = Find(object, {"status", "conditions"});
  if (conditions == nullptr || !conditions->is_array()) return nullptr;
  for (const Json& condition : *conditions) {
    if (TextAt(condition, {"type"}) == type) return &condition;
  }
  return nullptr;
}

std::string ConditionStatus(const Json& object, std::string_view type) {
  const Json* condition = ConditionOf(object, type);
  return condition == nullptr ? "" : TextAt(*condition, {"status"});
}

std::uint64_t VersionNumber(std::string_view resource_version) {
  std::uint64_t number = 0;
  const char* begin = resource_version.data();
  const char* end = begin + resource_version.size();
  const auto [at, error] = std::from_chars(begin, end, number);
  return error == std::errc() && at == end ? number : 0;
}

}  // namespace slicelet::kube
