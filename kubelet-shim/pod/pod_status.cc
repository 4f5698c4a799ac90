#include "kubelet-shim/pod/pod_status.h"

#include <nlohmann/json.hpp>
#include <set>
#include <utility>
#include <vector>

#include "common/base/ip_address.h"
#include "common/json/json.h"
#include "kube/object.h"
#include "kubelet-shim/pod/container_status.h"

namespace slicelet::shim {
namespace {

using Json = nlohmann::json;
using kube::Find;
using kube::TextAt;

/// False with a reason while no host takes the pod.
constexpr char kPlaced[] = "slicelet.io/Placed";
/// False with a reason while a container's changed image can not be had; the host says nothing otherwise.
constexpr char kImagesCurrent[] = "slicelet.io/ImagesCurrent";

struct Wanted {
  std::string type{};
  bool status = false;
  std::string reason{};
  std::string message{};
  std::int64_t transition = 0;
};

std::string PhaseName(v1::Phase phase) {
  switch (phase) {
    case v1::PHASE_RUNNING:
      return "Running";
    case v1::PHASE_SUCCEEDED:
      return "Succeeded";
    case v1::PHASE_FAILED:
      return "Failed";
    default:
      return "Pending";
  }
}

bool IsTrue(const Json* condition) {
  return condition != nullptr && TextAt(*condition, {"status"}) == "True";
}

/// "containers with unready status: [a b]", or empty when all are ready.
std::string Unready(const Json& statuses) {
  std::string names;
  for (const Json& status : statuses) {
    if (!GetBool(status, "/ready")) names += (names.empty() ? "" : " ") + TextAt(status, {"name"});
  }
  return names.empty() ? "" : "containers with unready status: [" + names + "]";
}

class Conditions {
 public:
  Conditions(const Json& pod, const StatusSources& sources, const Json& containers, const std::string& phase)
      : pod_(pod) {
    const bool terminal = IsTerminalPhase(phase);
    const std::string terminal_reason = phase == "Succeeded" ? "PodCompleted" : "PodFailed";
    if (sources.report != nullptr) {
      for (const auto& condition : sources.report->status().conditions()) Add(condition);
    }
    const std::string unready = Unready(containers);
    if (!Has("PodReadyToStartContainers")) Add({.type = "PodReadyToStartContainers"});
    if (!Has("Initialized")) {
      const Json* init = Find(pod, {"spec", "initContainers"});
      const bool none = init == nullptr || init->empty();
      Add({.type = "Initialized", .status = none, .reason = none ? "" : "ContainersNotInitialized"});
    }
    if (!Has("ContainersReady"))
      Add({.type = "ContainersReady", .reason = "ContainersNotReady", .message = unready});
    if (terminal) {
      Wanted& ready = Get("ContainersReady");
      ready.status = false;
      ready.reason = terminal_reason;
      ready.message = "";
      if (phase == "Succeeded") {
        Get("Initialized").status = true;
        Get("Initialized").reason = terminal_reason;
      }
      Get("PodReadyToStartContainers").status = false;
    }
    AddReady();
    if (!IsTrue(kube::ConditionOf(pod, "PodScheduled"))) Add({.type = "PodScheduled", .status = true});
    if (sources.report != nullptr) {
      for (const auto& condition : sources.report->conditions()) Add(condition);
      // It has a status, so some host took it after all.
      if (sources.report->has_status() && kube::ConditionOf(pod, kPlaced) != nullptr) {
        Add({.type = kPlaced, .status = true});
      }
      if (sources.report->has_status() && kube::ConditionOf(pod, kImagesCurrent) != nullptr) {
        Add({.type = kImagesCurrent, .status = true});
      }
    }
  }

  Json Compose(std::int64_t observed_generation, WallTime now) const {
    Json result = Json::array();
    for (const Wanted& wanted : wanted_) {
      const std::string status = wanted.status ? "True" : "False";
      const Json* before = kube::ConditionOf(pod_, wanted.type);
      Json condition = {{"type", wanted.type}, {"status", status}};
      if (before != nullptr && TextAt(*before, {"status"}) == status) {
        condition["lastTransitionTime"] = before->value("lastTransitionTime", Json());
      } else {
        condition["lastTransitionTime"] = FormatTime(TransitionTime(wanted, before, now));
      }
      if (!wanted.reason.empty()) condition["reason"] = wanted.reason;
      if (!wanted.message.empty()) condition["message"] = wanted.message;
      if (observed_generation > 0) condition["observedGeneration"] = observed_generation;
      result.push_back(std::move(condition));
    }
    return result;
  }

 private:
  /// The host's, unless somebody else flipped the condition after that.
  static WallTime TransitionTime(const Wanted& wanted, const Json* before, WallTime now) {
    if (wanted.transition == 0) return now;
    const WallTime reported = FromUnixNanos(wanted.transition);
    if (before == nullptr) return reported;
    const auto shown = ParseTime(TextAt(*before, {"lastTransitionTime"}));
    return shown.ok() && *shown > reported ? now : reported;
  }

  void Add(const v1::Condition& condition) {
    Add({.type = condition.type(),
         .status = condition.status(),
         .reason = condition.reason(),
         .message = condition.message(),
         .transition = condition.last_transition()});
  }
  void Add(Wanted wanted) {
    if (!Has(wanted.type)) wanted_.push_back(std::move(wanted));
  }
  bool Has(const std::string& type) const {
    for (const Wanted& wanted : wanted_) {
      if (wanted.type == type) return true;
    }
    return false;
  }
  Wanted& Get(const std::string& type) {
    for (Wanted& wanted : wanted_) {
      if (wanted.type == type) return wanted;
    }
    wanted_.push_back({.type = type});
    return wanted_.back();
  }

  /// KEP-580: ContainersReady and every readiness gate.
  void AddReady() {
    Wanted ready = Get("ContainersReady");
    ready.type = "Ready";
    const Json* gates = Find(pod_, {"spec", "readinessGates"});
    if (ready.status && gates != nullptr && gates->is_array()) {
      std::string why;
      for (const Json& gate : *gates) {
        const std::string type = TextAt(gate, {"conditionType"});
        const Json* condition = kube::ConditionOf(pod_, type);
        if (IsTrue(condition)) continue;
        why += (why.empty() ? "" : ", ");
        why += condition == nullptr
                   ? "corresponding condition of pod readiness gate \"" + type + "\" does not exist."
                   : "the status of pod readiness gate \"" + type + "\" is not \"True\", but " +
                         TextAt(*condition, {"status"});
      }
      if (!why.empty()) {
        ready.status = false;
        ready.reason = "ReadinessGatesNotReady";
        ready.message = why;
        ready.transition = 0;
      }
    }
    Add(std::move(ready));
  }

  const Json& pod_;
  std::vector<Wanted> wanted_;
};

/// Without nulls, empty texts and empty objects: what the API server drops or adds.
Json Normal(const Json& value) {
  if (value.is_object()) {
    Json result = Json::object();
    for (const auto& [key, member] : value.items()) {
      Json normal = Normal(member);
      const bool nothing = normal.is_null() ||
                           (normal.is_string() && normal.get_ref<const std::string&>().empty()) ||
                           (normal.is_object() && normal.empty());
      if (!nothing) result[key] = std::move(normal);
    }
    return result;
  }
  if (value.is_array()) {
    Json result = Json::array();
    for (const Json& element : value) result.push_back(Normal(element));
    return result;
  }
  return value;
}

/// Entries of a list that is merged by `key`: changed members of changed entries.
Json ConditionsPatch(const Json& pod, const Json& desired) {
  Json patch = Json::array();
  for (const Json& condition : desired) {
    const std::string type = TextAt(condition, {"type"});
    const Json* before = kube::ConditionOf(pod, type);
    Json entry = Json::object();
    for (const char* member : {"status", "reason", "message", "observedGeneration", "lastTransitionTime"}) {
      const Json wanted = condition.value(member, Json());
      const Json had = before == nullptr ? Json() : before->value(member, Json());
      if (wanted == had || (wanted.is_null() && had.is_string() && had.get<std::string>().empty())) continue;
      entry[member] = wanted;
    }
    if (entry.empty()) continue;
    entry["type"] = type;
    patch.push_back(std::move(entry));
  }
  return patch;
}

/// podIPs and hostIPs are merged by ip: what is not wanted any more must be deleted by name.
Json AddressesPatch(const Json& before, const Json& desired) {
  Json patch = Json::array();
  std::set<std::string> wanted;
  for (const Json& address : desired) wanted.insert(TextAt(address, {"ip"}));
  if (before.is_array()) {
    for (const Json& address : before) {
      const std::string ip = TextAt(address, {"ip"});
      if (wanted.count(ip) == 0) patch.push_back({{"$patch", "delete"}, {"ip", ip}});
    }
  }
  for (const Json& address : desired) patch.push_back(address);
  return patch;
}

}  // namespace

bool IsTerminalPhase(const std::string& phase) { return phase == "Succeeded" || phase == "Failed"; }

Json ComposeStatus(const Json& pod, const StatusSources& sources, WallTime now) {
  if (IsTerminalPhase(TextAt(pod, {"status", "phase"}))) return Json();
  static const v1::PodReport kNone;
  const v1::PodReport& report = sources.report != nullptr ? *sources.report : kNone;
  const v1::WorkloadStatus& host = report.status();

  Json status = Json::object();
  const ContainerStatusRules rules{.config_errors = &sources.config_errors, .gone = sources.gone};
  Json containers = ComposeContainerStatuses(pod, false, host.containers(), rules);
  Json init = ComposeContainerStatuses(pod, true, host.init_containers(), rules);

  std::string phase = PhaseName(host.phase());
  // A host that lost both its store and the pod's containers begins anew; for the API the pod has run.
  if (phase == "Pending" && TextAt(pod, {"status", "phase"}) == "Running") phase = "Running";
  status["reason"] = host.reason();
  status["message"] = host.message();
  if (sources.refusal) {
    phase = "Failed";
    status["reason"] = sources.refusal->reason();
    const std::string& field = sources.refusal->field();
    const std::string& why = sources.refusal->message();
    // Most refusals begin with the field already.
    const bool named = field.empty() || why.compare(0, field.size(), field) == 0;
    status["message"] = "Pod was rejected: " + (named ? why : field + ": " + why);
  } else if (sources.gone && !IsTerminalPhase(phase)) {
    phase = "Failed";
  }
  status["phase"] = phase;

  std::int64_t observed = host.pod_generation();
  if (kube::IntegerAt(pod, {"metadata", "generation"}, 0) == 0) observed = 0;
  if (observed > 0) status["observedGeneration"] = observed;
  status["conditions"] = Conditions(pod, sources, containers, phase).Compose(observed, now);
  if (!sources.refusal) {
    status["containerStatuses"] = std::move(containers);
    if (!init.empty()) status["initContainerStatuses"] = std::move(init);
  }

  if (TextAt(pod, {"status", "startTime"}).empty()) {
    status["startTime"] = FormatTime(host.start_time() != 0 ? FromUnixNanos(host.start_time()) : now);
  }
  const Json* host_network = Find(pod, {"spec", "hostNetwork"});
  const bool on_host = host_network != nullptr && host_network->is_boolean() && host_network->get<bool>();
  // One that is no address the API server refuses, and the whole status with it.
  const bool has_host_ip = IsIpAddress(host.host_ip());
  const std::string pod_ip = on_host && has_host_ip ? host.host_ip() : report.api_pod_ip();
  if (IsIpAddress(pod_ip)) {
    status["podIP"] = pod_ip;
    status["podIPs"] = Json::array({{{"ip", pod_ip}}});
  }
  if (has_host_ip) {
    status["hostIP"] = host.host_ip();
    status["hostIPs"] = Json::array({{{"ip", host.host_ip()}}});
  }
  return status;
}

Json StatusPatch(const Json& pod, const Json& desired, const std::string& host_pod_ip) {
  if (desired.is_null()) return Json();
  static const Json kEmpty = Json::object();
  const Json* found = Find(pod, {"status"});
  const Json& before = found != nullptr && found->is_object() ? *found : kEmpty;

  Json status = Json::object();
  for (const auto& [member, value] : desired.items()) {
    const Json had = before.value(member, Json());
    if (member == "conditions") {
      Json conditions = ConditionsPatch(pod, value);
      if (!conditions.empty()) status[member] = std::move(conditions);
    } else if (Normal(value) == Normal(had) ||
               (value.is_string() && value.get<std::string>().empty() && had.is_null())) {
      continue;
    } else if (member == "podIPs" || member == "hostIPs") {
      status[member] = AddressesPatch(had, value);
    } else if (value.is_string() && value.get<std::string>().empty()) {
      status[member] = Json();
    } else {
      status[member] = value;
    }
  }
  const bool annotate = !host_pod_ip.empty() && host_pod_ip != TextAt(desired, {"podIP"}) &&
                        TextAt(pod, {"metadata", "annotations", kHostPodIpAnnotation}) != host_pod_ip;
  if (status.empty() && !annotate) return Json();
  Json patch = {{"metadata", {{"uid", kube::UidOf(pod)}}}};
  if (annotate) patch["metadata"]["annotations"] = {{kHostPodIpAnnotation, host_pod_ip}};
  if (!status.empty()) patch["status"] = std::move(status);
  return patch;
}

}  // namespace slicelet::shim
