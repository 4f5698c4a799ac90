#include "kube/cluster/patch.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

namespace slicelet::kube {
namespace {

constexpr char kDirective[] = "$patch";
constexpr std::string_view kDeleteFromList = "$deleteFromPrimitiveList/";

/// patchMergeKey of the list fields of core/v1 that are merged; every other list is atomic. "" marks a list
/// of primitives that is merged as a set.
const std::string* MergeKey(const std::string& field, const Json& list) {
  static const std::map<std::string, std::string> kKeys = {
      {"addresses", "type"},           {"conditions", "type"},
      {"containers", "name"},          {"env", "name"},
      {"ephemeralContainers", "name"}, {"finalizers", ""},
      {"hostAliases", "ip"},           {"hostIPs", "ip"},
      {"imagePullSecrets", "name"},    {"initContainers", "name"},
      {"ownerReferences", "uid"},      {"podIPs", "ip"},
      {"volumeMounts", "mountPath"},   {"volumes", "name"},
  };
  static const std::string kContainerPort = "containerPort";
  static const std::string kServicePort = "port";
  if (field == "ports") {
    const bool of_container =
        !list.empty() && list.front().is_object() && list.front().contains(kContainerPort);
    return of_container ? &kContainerPort : &kServicePort;
  }
  const auto it = kKeys.find(field);
  return it == kKeys.end() ? nullptr : &it->second;
}

std::string DirectiveOf(const Json& value) {
  if (!value.is_object()) return {};
  const auto it = value.find(kDirective);
  return it != value.end() && it->is_string() ? it->get<std::string>() : std::string();
}

absl::Status MergeObject(Json& target, const Json& patch);

absl::Status MergeList(const std::string& field, const std::string& key, Json& target, const Json& patch) {
  if (!target.is_array()) target = Json::array();
  if (key.empty()) {
    for (const Json& value : patch) {
      if (std::find(target.begin(), target.end(), value) == target.end()) target.push_back(value);
    }
    return absl::OkStatus();
  }
  for (const Json& value : patch) {
    if (DirectiveOf(value) == "replace") target = Json::array();
  }
  for (const Json& value : patch) {
    if (!value.is_object())
      return absl::InvalidArgumentError("patch: " + field + " holds something that is no object");
    if (DirectiveOf(value) == "replace") continue;
    const auto wanted = value.find(key);
    if (wanted == value.end()) {
      return absl::InvalidArgumentError("patch: an element of " + field + " lacks the merge key " + key);
    }
    const auto found = std::find_if(target.begin(), target.end(), [&](const Json& element) {
      return element.is_object() && element.contains(key) && element.at(key) == *wanted;
    });
    if (DirectiveOf(value) == "delete") {
      if (found != target.end()) target.erase(found);
      continue;
    }
    if (found == target.end()) {
      Json added = Json::object();
      SLICELET_RETURN_IF_ERROR(MergeObject(added, value));
      target.push_back(std::move(added));
    } else {
      SLICELET_RETURN_IF_ERROR(MergeObject(*found, value));
    }
  }
  return absl::OkStatus();
}

absl::Status MergeObject(Json& target, const Json& patch) {
  const std::string directive = DirectiveOf(patch);
  if (!target.is_object() || directive == "replace" || directive == "delete") target = Json::object();
  if (directive == "delete") return absl::OkStatus();
  for (const auto& [field, value] : patch.items()) {
    if (field.rfind(kDeleteFromList, 0) == 0) {
      const auto list = target.find(field.substr(kDeleteFromList.size()));
      if (list == target.end() || !list->is_array()) continue;
      list->erase(std::remove_if(list->begin(), list->end(),
                                 [&](const Json& element) {
                                   return std::find(value.begin(), value.end(), element) != value.end();
                                 }),
                  list->end());
      continue;
    }
    // $setElementOrder and $retainKeys only influence order and defaulted unions.
    if (!field.empty() && field.front() == '$') continue;
    const std::string* key = value.is_array() ? MergeKey(field, value) : nullptr;
    if (value.is_null()) {
      target.erase(field);
    } else if (value.is_object()) {
      SLICELET_RETURN_IF_ERROR(MergeObject(target[field], value));
    } else if (key != nullptr) {
      SLICELET_RETURN_IF_ERROR(MergeList(field, *key, target[field], value));
    } else {
      target[field] = value;
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Json> ApplyPatch(const Json& object, PatchType type, const Json& patch) {
  if (type == PatchType::kJson) {
    if (!patch.is_array()) return absl::InvalidArgumentError("a JSON patch is a list of operations");
    try {
      return object.patch(patch);
    } catch (const Json::exception& e) {
      return absl::FailedPreconditionError(std::string("the JSON patch does not apply: ") + e.what());
    }
  }
  if (!patch.is_object()) return absl::InvalidArgumentError("a merge patch is an object");
  Json result = object;
  if (type == PatchType::kMerge) {
    result.merge_patch(patch);
  } else {
    SLICELET_RETURN_IF_ERROR(MergeObject(result, patch));
  }
  return result;
}

}  // namespace slicelet::kube
