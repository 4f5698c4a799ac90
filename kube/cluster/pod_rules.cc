#include "kube/cluster/pod_rules.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>

#include "common/base/time.h"
#include "kube/object.h"

namespace slicelet::kube {
namespace {

absl::Status Invalid(const std::string& field, const std::string& why) {
  return absl::FailedPreconditionError(field + ": " + why);
}

const Json& ListAt(const Json& object, std::initializer_list<std::string_view> path) {
  static const Json kEmpty = Json::array();
  const Json* found = Find(object, path);
  return found != nullptr && found->is_array() ? *found : kEmpty;
}

bool IsTerminated(const Json& status) { return Find(status, {"state", "terminated"}) != nullptr; }

/// A restartable init container (KEP-753) may always be started again.
bool IsSidecar(const Json& pod, const std::string& name) {
  for (const Json& container : ListAt(pod, {"spec", "initContainers"})) {
    if (TextAt(container, {"name"}) == name) return TextAt(container, {"restartPolicy"}) == "Always";
  }
  return false;
}

absl::Status CheckTransitions(const Json& before, const Json& after, const std::string& list, bool init) {
  const std::string policy = TextAt(before, {"spec", "restartPolicy"});
  if (policy.empty() || policy == "Always") return absl::OkStatus();
  for (const Json& old : ListAt(before, {"status", list})) {
    if (!IsTerminated(old)) continue;
    const std::string name = TextAt(old, {"name"});
    if (init && IsSidecar(before, name)) continue;
    if (policy == "OnFailure" && IntegerAt(old, {"state", "terminated", "exitCode"}, 0) != 0) continue;
    for (const Json& now : ListAt(after, {"status", list})) {
      if (TextAt(now, {"name"}) == name && !IsTerminated(now)) {
        return Invalid("status." + list + "[" + name + "].state",
                       "Forbidden: may not be transitioned to non-terminated state");
      }
    }
  }
  return absl::OkStatus();
}

absl::Status CheckAddresses(const Json& pod, const std::string& list) {
  int families[2] = {0, 0};
  for (const Json& entry : ListAt(pod, {"status", list})) {
    const std::string ip = TextAt(entry, {"ip"});
    unsigned char bytes[16];
    const bool v4 = inet_pton(AF_INET, ip.c_str(), bytes) == 1;
    if (!v4 && inet_pton(AF_INET6, ip.c_str(), bytes) != 1) {
      return Invalid("status." + list, "Invalid value: \"" + ip + "\": must be a valid IP address");
    }
    if (++families[v4 ? 0 : 1] > 1)
      return Invalid("status." + list, "may specify no more than one IP for each IP family");
  }
  return absl::OkStatus();
}

bool IsNamePart(const std::string& text) {
  const auto alphanumeric = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; };
  if (text.empty() || text.size() > 63 || !alphanumeric(text.front()) || !alphanumeric(text.back()))
    return false;
  return std::all_of(text.begin(), text.end(),
                     [&](char c) { return alphanumeric(c) || c == '-' || c == '_' || c == '.'; });
}

absl::Status CheckTime(const Json& object, const std::string& key, const std::string& where) {
  const auto it = object.find(key);
  if (it == object.end() || it->is_null()) return absl::OkStatus();
  if (it->is_string() && ParseTime(it->get<std::string>()).ok()) return absl::OkStatus();
  return absl::InvalidArgumentError(where + "." + key + ": " + it->dump() + " is not an RFC 3339 time");
}

absl::Status CheckConditions(const Json& pod) {
  for (const Json& condition : ListAt(pod, {"status", "conditions"})) {
    const std::string type = TextAt(condition, {"type"});
    const auto slash = type.find('/');
    if (!IsNamePart(slash == std::string::npos ? type : type.substr(slash + 1))) {
      return Invalid("status.conditions.type", "Invalid value: \"" + type + "\": not a qualified name");
    }
    const std::string where = "status.conditions[" + type + "]";
    if (IntegerAt(condition, {"observedGeneration"}, 0) < 0)
      return Invalid(where + ".observedGeneration", "must be non-negative");
    for (const char* key : {"lastTransitionTime", "lastProbeTime"})
      SLICELET_RETURN_IF_ERROR(CheckTime(condition, key, where));
  }
  return absl::OkStatus();
}

absl::Status CheckContainer(const Json& status, const std::string& where) {
  for (const char* which : {"state", "lastState"}) {
    const Json* running = Find(status, {which, "running"});
    const Json* terminated = Find(status, {which, "terminated"});
    const std::string at = where + "." + which;
    if (running != nullptr && running->is_object())
      SLICELET_RETURN_IF_ERROR(CheckTime(*running, "startedAt", at));
    if (terminated == nullptr || !terminated->is_object()) continue;
    for (const char* key : {"startedAt", "finishedAt"})
      SLICELET_RETURN_IF_ERROR(CheckTime(*terminated, key, at));
    const auto code = terminated->find("exitCode");
    if (code == terminated->end() || !code->is_number_integer()) {
      return absl::InvalidArgumentError(at + ".terminated.exitCode: an integer is required");
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ValidatePodStatus(const Json& before, const Json& after) {
  const std::string qos = TextAt(before, {"status", "qosClass"});
  if (!qos.empty() && TextAt(after, {"status", "qosClass"}) != qos) {
    return Invalid("status.qosClass", "Invalid value: field is immutable");
  }
  if (IntegerAt(after, {"status", "observedGeneration"}, 0) < 0) {
    return Invalid("status.observedGeneration", "must be non-negative");
  }
  if (!TextAt(before, {"spec", "nodeName"}).empty() &&
      TextAt(before, {"status", "nominatedNodeName"}) != TextAt(after, {"status", "nominatedNodeName"})) {
    return Invalid("status.nominatedNodeName", "Forbidden: may not be changed on a bound pod");
  }
  const Json* status = Find(after, {"status"});
  if (status != nullptr && status->is_object())
    SLICELET_RETURN_IF_ERROR(CheckTime(*status, "startTime", "status"));
  for (const char* list : {"containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"}) {
    for (const Json& container : ListAt(after, {"status", list})) {
      SLICELET_RETURN_IF_ERROR(
          CheckContainer(container, "status." + std::string(list) + "[" + TextAt(container, {"name"}) + "]"));
    }
  }
  SLICELET_RETURN_IF_ERROR(CheckTransitions(before, after, "containerStatuses", false));
  SLICELET_RETURN_IF_ERROR(CheckTransitions(before, after, "initContainerStatuses", true));
  SLICELET_RETURN_IF_ERROR(CheckAddresses(after, "podIPs"));
  SLICELET_RETURN_IF_ERROR(CheckAddresses(after, "hostIPs"));
  return CheckConditions(after);
}

absl::Status ValidatePodSpecUpdate(const Json& before, const Json& after) {
  const auto masked = [](const Json& pod) {
    const Json* spec = Find(pod, {"spec"});
    Json copy = spec == nullptr ? Json::object() : *spec;
    for (const char* key : {"activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds"})
      copy.erase(key);
    for (const char* list : {"containers", "initContainers"}) {
      const auto it = copy.find(list);
      if (it == copy.end() || !it->is_array()) continue;
      for (Json& container : *it) {
        if (container.is_object()) container.erase("image");
      }
    }
    return copy;
  };
  if (masked(before) == masked(after)) return absl::OkStatus();
  return Invalid(
      "spec",
      "Forbidden: pod updates may not change fields other than `spec.containers[*].image`, "
      "`spec.initContainers[*].image`, `spec.activeDeadlineSeconds`, `spec.tolerations` (only additions to "
      "existing tolerations), `spec.terminationGracePeriodSeconds`");
}

}  // namespace slicelet::kube
