#include "kubelet-shim/node/node_object.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "common/json/json.h"
#include "common/json/quantity.h"
#include "kube/object.h"

namespace slicelet::shim {
namespace {

using kube::Find;
using kube::TextAt;

constexpr char kNoSchedule[] = "NoSchedule";
constexpr char kProviderUnreachable[] = "ProviderUnreachable";
constexpr std::array<const char*, 3> kPressures = {"MemoryPressure", "DiskPressure", "PIDPressure"};

struct NodeCondition {
  std::string type;
  /// Nothing: Unknown.
  std::optional<bool> status;
  std::string reason;
  std::string message;
  /// Unix nanoseconds; 0: when we see it flip.
  std::int64_t transition = 0;
};

/// "128974848" as "123Mi": the form the API server stores binary quantities in.
std::string BinaryQuantity(std::int64_t bytes) {
  static constexpr std::array<const char*, 5> kSuffixes = {"", "Ki", "Mi", "Gi", "Ti"};
  std::size_t suffix = 0;
  while (suffix + 1 < kSuffixes.size() && bytes != 0 && bytes % 1024 == 0) {
    bytes /= 1024;
    ++suffix;
  }
  return std::to_string(bytes) + kSuffixes[suffix];
}

std::string CpuQuantity(std::int64_t milli) {
  return milli % 1000 == 0 ? std::to_string(milli / 1000) : std::to_string(milli) + "m";
}

std::string GoArchitecture(const std::string& architecture) {
  if (architecture == "x86_64") return "amd64";
  if (architecture == "aarch64") return "arm64";
  return architecture.empty() ? "amd64" : architecture;
}

bool IsInDomain(const std::string& key, const std::string& domain) {
  const auto slash = key.find('/');
  if (slash == std::string::npos) return false;
  const std::string prefix = key.substr(0, slash);
  return prefix == domain ||
         (prefix.size() > domain.size() &&
          prefix.compare(prefix.size() - domain.size() - 1, std::string::npos, "." + domain) == 0);
}

bool NodeMayWrite(const std::string& key) {
  if (IsInDomain(key, "node-restriction.kubernetes.io")) return false;
  if (!IsInDomain(key, "kubernetes.io") && !IsInDomain(key, "k8s.io")) return true;
  static const std::array<const char*, 6> kOwn = {"kubernetes.io/hostname",
                                                  "kubernetes.io/os",
                                                  "kubernetes.io/arch",
                                                  "topology.kubernetes.io/zone",
                                                  "topology.kubernetes.io/region",
                                                  "node.kubernetes.io/instance-type"};
  return IsInDomain(key, "kubelet.kubernetes.io") || IsInDomain(key, "node.kubernetes.io") ||
         std::find(kOwn.begin(), kOwn.end(), key) != kOwn.end();
}

std::vector<v1::Taint> WantedTaints(const NodeFactsheet& sheet) {
  std::vector<v1::Taint> taints(sheet.declaration.taints().begin(), sheet.declaration.taints().end());
  const auto add = [&taints](const char* key, const std::string& value) {
    v1::Taint taint;
    taint.set_key(key);
    taint.set_value(value);
    taint.set_effect(kNoSchedule);
    taints.push_back(std::move(taint));
  };
  if (taints.empty()) add(kSliceNodeTaint, sheet.hub_id);
  const bool lost = sheet.report.has_value() && sheet.report->has_link() && !sheet.report->link().status();
  // Without the provider nothing new reaches the host either. What runs there stays.
  if (lost || sheet.unheard_since) add(kLinkLostTaint, "");
  return taints;
}

Json ToJson(const v1::Taint& taint) {
  Json json = {{"key", taint.key()}, {"effect", taint.effect()}};
  if (!taint.value().empty()) json["value"] = taint.value();
  return json;
}

bool SameTaint(const Json& present, const v1::Taint& wanted) {
  return TextAt(present, {"key"}) == wanted.key() && TextAt(present, {"effect"}) == wanted.effect();
}

const v1::NodeFacts* FactsOf(const NodeFactsheet& sheet) {
  return sheet.report.has_value() && sheet.report->has_facts() ? &sheet.report->facts() : nullptr;
}

/// The provider's word; everything but Ready, which is the shim's, and what others write.
bool IsReported(const std::string& type) {
  return type.rfind("slicelet.io/", 0) == 0 ||
         std::find(kPressures.begin(), kPressures.end(), type) != kPressures.end();
}

/// What the provider said before it went away may no longer be so.
void Doubt(WallTime since, const Json& node, std::vector<NodeCondition>& conditions) {
  // What a former shim was told counts no more either.
  for (const Json& present : GetArray(node, "/status/conditions")) {
    const std::string type = TextAt(present, {"type"});
    const bool wanted =
        std::any_of(conditions.begin(), conditions.end(),
                    [&type](const NodeCondition& condition) { return condition.type == type; });
    if (wanted || !IsReported(type) || TextAt(present, {"status"}) == "Unknown") continue;
    conditions.push_back({.type = type, .status = false, .reason = "", .message = ""});
  }
  const std::string why = "the provider is away since " + FormatTime(since) +
                          ": what it knew of the host may no longer be so, and no change reaches it; its "
                          "pods run on";
  for (NodeCondition& condition : conditions) {
    if (!IsReported(condition.type) || !condition.status) continue;
    condition = {condition.type, std::nullopt, kProviderUnreachable, why, 0};
  }
}

std::vector<NodeCondition> WantedConditions(const NodeFactsheet& sheet, const Json& node) {
  const v1::NodeFacts* facts = FactsOf(sheet);
  const std::string silent = "host " + sheet.declaration.host() + " has not reported yet";
  std::vector<NodeCondition> conditions;
  // The shim's health, not the host's; but a node whose size nobody ever knew can not take pods.
  const bool known = facts != nullptr || Find(node, {"status", "capacity", "cpu"}) != nullptr;
  if (known)
    conditions.push_back({"Ready", true, "KubeletReady", "the shim posts ready status", 0});
  else
    conditions.push_back({"Ready", false, "KubeletNotReady", silent, 0});

  struct Pressure {
    const char* type;
    const char* good;
    const char* bad;
    const char* message;
  };
  for (const Pressure& pressure :
       {Pressure{"MemoryPressure", "KubeletHasSufficientMemory", "KubeletHasInsufficientMemory",
                 "memory available"},
        Pressure{"DiskPressure", "KubeletHasNoDiskPressure", "KubeletHasDiskPressure", "no disk pressure"},
        Pressure{"PIDPressure", "KubeletHasSufficientPID", "KubeletHasInsufficientPID", "PIDs available"}}) {
    NodeCondition condition{pressure.type, false, pressure.good, std::string("host has ") + pressure.message,
                            0};
    if (facts == nullptr) {
      // What was known before this shim began stays; the host's word is still to come.
      if (kube::ConditionOf(node, pressure.type) != nullptr) continue;
      condition = {pressure.type, std::nullopt, "NodeStatusNeverUpdated", silent, 0};
    } else {
      for (const auto& reported : facts->conditions()) {
        if (reported.type() != pressure.type || !reported.status()) continue;
        condition = {pressure.type, true, pressure.bad, reported.message(), 0};
      }
    }
    conditions.push_back(std::move(condition));
  }
  if (facts != nullptr) {
    for (const auto& reported : facts->conditions()) {
      if (reported.type() != "RuntimeReady" && reported.type() != "NetworkReady") continue;
      conditions.push_back({"slicelet.io/" + reported.type(), reported.status(), reported.reason(),
                            reported.message(), reported.last_transition()});
    }
  }
  const auto add = [&conditions](const char* type, const v1::Condition& reported) {
    conditions.push_back(
        {type, reported.status(), reported.reason(), reported.message(), reported.last_transition()});
  };
  if (sheet.report.has_value() && sheet.report->has_link())
    add("slicelet.io/LinkReady", sheet.report->link());
  if (sheet.report.has_value() && sheet.report->has_held()) add("slicelet.io/PodsHeld", sheet.report->held());
  if (sheet.report.has_value()) {
    for (const auto& reported : sheet.report->conditions()) add(reported.type().c_str(), reported);
  }
  // Of a type that is reported twice the first counts: both would be written in turn without end.
  std::vector<NodeCondition> once;
  for (NodeCondition& condition : conditions) {
    const auto same = [&condition](const NodeCondition& other) { return other.type == condition.type; };
    if (std::none_of(once.begin(), once.end(), same)) once.push_back(std::move(condition));
  }
  if (sheet.unheard_since) Doubt(*sheet.unheard_since, node, once);
  return once;
}

/// What the provider does not speak of any more since it is back is not shown as if it were away.
Json StaleConditions(const NodeFactsheet& sheet, const Json& node, const std::vector<NodeCondition>& wanted) {
  Json stale = Json::array();
  if (!sheet.report || sheet.unheard_since) return stale;
  for (const Json& present : GetArray(node, "/status/conditions")) {
    const std::string type = TextAt(present, {"type"});
    if (TextAt(present, {"reason"}) != kProviderUnreachable || !IsReported(type)) continue;
    const bool again = std::any_of(wanted.begin(), wanted.end(), [&type](const NodeCondition& condition) {
      return condition.type == type;
    });
    if (!again) stale.push_back({{"$patch", "delete"}, {"type", type}});
  }
  return stale;
}

/// Adds to `patch` the conditions that differ, or all of them with `all`.
void PatchConditions(const NodeFactsheet& sheet, const Json& node, bool all, WallTime now, Json& patch) {
  const std::vector<NodeCondition> wanted = WantedConditions(sheet, node);
  const Json stale = StaleConditions(sheet, node, wanted);
  const auto text = [](std::optional<bool> status) {
    return !status ? "Unknown" : *status ? "True" : "False";
  };
  const auto differs = [&](const NodeCondition& condition) {
    const Json* present = kube::ConditionOf(node, condition.type);
    return present == nullptr || TextAt(*present, {"status"}) != text(condition.status) ||
           TextAt(*present, {"reason"}) != condition.reason ||
           TextAt(*present, {"message"}) != condition.message;
  };
  if (!all && std::none_of(wanted.begin(), wanted.end(), differs) && stale.empty()) return;
  // One heartbeat for all, as the kubelet writes it; but nobody has heard of what is unknown.
  for (const NodeCondition& condition : wanted) {
    const Json* present = kube::ConditionOf(node, condition.type);
    const std::string former = present == nullptr ? "" : TextAt(*present, {"lastTransitionTime"});
    const WallTime flipped = condition.transition == 0 ? now : FromUnixNanos(condition.transition);
    const auto shown = ParseTime(former);
    // It was Unknown in between.
    std::string since = FormatTime(shown.ok() && *shown > flipped ? now : flipped);
    if (!former.empty() && TextAt(*present, {"status"}) == text(condition.status)) since = former;
    std::string heard;
    if (present != nullptr && !condition.status) heard = TextAt(*present, {"lastHeartbeatTime"});
    if (heard.empty()) heard = FormatTime(now);
    patch["conditions"].push_back({{"type", condition.type},
                                   {"status", text(condition.status)},
                                   {"reason", condition.reason},
                                   {"message", condition.message},
                                   {"lastHeartbeatTime", heard},
                                   {"lastTransitionTime", since}});
  }
  for (const Json& entry : stale) patch["conditions"].push_back(entry);
}

void PatchResources(const char* member, const Json& wanted, const Json& node, Json& patch) {
  for (const auto& [name, quantity] : wanted.items()) {
    const Json* present = Find(node, {"status", member, name});
    const auto is = present == nullptr ? absl::StatusOr<std::int64_t>(absl::NotFoundError(""))
                                       : ParseQuantityMilli(*present);
    const auto shall = ParseQuantityMilli(quantity);
    if (!is.ok() || !shall.ok() || *is != *shall) patch[member][name] = quantity;
  }
}

void PatchFacts(const NodeFactsheet& sheet, const v1::NodeFacts& facts, const Json& node, Json& patch) {
  PatchResources("capacity",
                 {{"cpu", CpuQuantity(facts.cpu_milli())},
                  {"memory", BinaryQuantity(facts.memory_bytes())},
                  {"ephemeral-storage", BinaryQuantity(facts.ephemeral_storage_bytes())},
                  {"pods", std::to_string(facts.pods())}},
                 node, patch);
  PatchResources("allocatable",
                 {{"cpu", CpuQuantity(facts.allocatable_cpu_milli())},
                  {"memory", BinaryQuantity(facts.allocatable_memory_bytes())},
                  {"ephemeral-storage", BinaryQuantity(facts.allocatable_ephemeral_storage_bytes())},
                  {"pods", std::to_string(facts.pods())}},
                 node, patch);
  const Json info = {
      {"machineID", facts.machine_id()},
      {"systemUUID", facts.system_uuid()},
      {"bootID", sheet.report->boot_id()},
      {"kernelVersion", facts.kernel_version()},
      {"osImage", facts.os_image()},
      {"containerRuntimeVersion", facts.container_runtime_version()},
      {"kubeletVersion", sheet.kubelet_version},
      {"kubeProxyVersion", ""},
      {"operatingSystem", facts.operating_system().empty() ? "linux" : facts.operating_system()},
      {"architecture", GoArchitecture(facts.architecture())}};
  for (const auto& [key, value] : info.items()) {
    if (TextAt(node, {"status", "nodeInfo", key}) != value.get<std::string>()) patch["nodeInfo"][key] = value;
  }
}

void PatchAddresses(const NodeFactsheet& sheet, const Json& node, Json& patch) {
  Json wanted = Json::array();
  if (!sheet.address.empty()) wanted.push_back({{"type", "InternalIP"}, {"address", sheet.address}});
  wanted.push_back({{"type", "Hostname"}, {"address", sheet.declaration.name()}});
  if (GetArray(node, "/status/addresses") != wanted) {
    // Addresses merge by type, which would keep one that is no longer ours.
    patch["addresses"] = wanted;
    patch["addresses"].push_back({{"$patch", "replace"}});
  }
  if (GetInt(node, "/status/daemonEndpoints/kubeletEndpoint/Port") != sheet.port) {
    patch["daemonEndpoints"] = {{"kubeletEndpoint", {{"Port", sheet.port}}}};
  }
}

}  // namespace

Json NodeLabels(const NodeFactsheet& sheet, std::string* refused) {
  const v1::NodeFacts* facts = FactsOf(sheet);
  Json labels = Json::object();
  for (const auto& [key, value] : sheet.declaration.labels()) {
    if (NodeMayWrite(key))
      labels[key] = value;
    else if (refused != nullptr)
      *refused += (refused->empty() ? "" : ", ") + key;
  }
  labels["kubernetes.io/hostname"] = sheet.declaration.name();
  labels["kubernetes.io/os"] =
      facts == nullptr || facts->operating_system().empty() ? "linux" : facts->operating_system();
  // Until the host has said what it is, only what the provider declared counts.
  if (facts != nullptr) labels["kubernetes.io/arch"] = GoArchitecture(facts->architecture());
  labels["type"] = "virtual-kubelet";
  labels["node.kubernetes.io/exclude-disruption"] = "true";
  labels[kHubLabel] = sheet.hub_id;
  if (!sheet.declaration.slice().empty()) labels[kSliceLabel] = sheet.declaration.slice();
  return labels;
}

Json NodeTaints(const NodeFactsheet& sheet, const Json& present, const v1::NodeDeclare& former) {
  const auto wanted = WantedTaints(sheet);
  Json taints = Json::array();
  if (present.is_array()) {
    for (const Json& taint : present) {
      const std::string key = TextAt(taint, {"key"});
      const bool declared = std::any_of(former.taints().begin(), former.taints().end(),
                                        [&](const v1::Taint& was) { return SameTaint(taint, was); });
      const bool ours =
          key == kSliceNodeTaint || key == kLinkLostTaint || key == kMaintenanceTaint || declared;
      const auto match =
          std::find_if(wanted.begin(), wanted.end(), [&](const v1::Taint& w) { return SameTaint(taint, w); });
      if (match != wanted.end()) {
        Json kept = taint;
        if (TextAt(taint, {"value"}) != match->value()) kept = ToJson(*match);
        taints.push_back(std::move(kept));
      } else if (!ours) {
        taints.push_back(taint);
      }
    }
  }
  for (const v1::Taint& taint : wanted) {
    const bool there =
        std::any_of(taints.begin(), taints.end(), [&](const Json& t) { return SameTaint(t, taint); });
    if (!there) taints.push_back(ToJson(taint));
  }
  return taints;
}

Json NewNode(const NodeFactsheet& sheet) {
  return {{"apiVersion", "v1"},
          {"kind", "Node"},
          {"metadata", {{"name", sheet.declaration.name()}, {"labels", NodeLabels(sheet, nullptr)}}},
          {"spec", {{"taints", NodeTaints(sheet, Json::array(), {})}}}};
}

Json NodeStatusPatch(const NodeFactsheet& sheet, const Json& node, bool heartbeat, WallTime now) {
  Json patch = Json::object();
  if (const v1::NodeFacts* facts = FactsOf(sheet)) PatchFacts(sheet, *facts, node, patch);
  PatchAddresses(sheet, node, patch);
  PatchConditions(sheet, node, heartbeat || !patch.empty(), now, patch);
  return patch.empty() ? Json() : patch;
}

}  // namespace slicelet::shim
