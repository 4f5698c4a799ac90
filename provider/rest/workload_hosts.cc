#include "provider/rest/workload_hosts.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <utility>

namespace slicelet::provider {
namespace {

/// PHASE_RUNNING is "Running".
std::string PhaseName(v1::Phase phase) {
  static constexpr std::string_view kPrefix = "PHASE_";
  std::string name = v1::Phase_Name(phase);
  if (name.size() <= kPrefix.size()) return "Pending";
  name.erase(0, kPrefix.size());
  std::transform(name.begin() + 1, name.end(), name.begin() + 1,
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return name;
}

/// As WorkloadHost, with what the hub thinks of the host.
Json ShownEntry(const v1::ExplainPodReply::Entry& entry) {
  Json shown = {{"host", entry.host()},
                {"chosen", entry.chosen()},
                {"matched", entry.matched()},
                {"reason", entry.reason()}};
  if (entry.has_free_cpu_milli()) shown["freeCpuMilli"] = entry.free_cpu_milli();
  if (entry.has_free_memory_bytes()) shown["freeMemoryBytes"] = entry.free_memory_bytes();
  if (entry.has_max_replicas()) shown["maxReplicas"] = entry.max_replicas();
  if (entry.has_receive_rate()) shown["receiveRate"] = entry.receive_rate();
  return shown;
}

}  // namespace

Json ShownHost(const v1::PodHostsReply::Entry& entry) {
  int ready = 0;
  for (const auto& container : entry.status().containers()) ready += container.ready() ? 1 : 0;
  std::string message = entry.message();
  if (message.empty() && entry.status().has_refused()) message = entry.status().refused().reason();
  if (message.empty()) message = entry.status().reason();
  return {{"host", entry.host()},
          {"state", entry.state().empty() ? "Targeted" : entry.state()},
          {"connected", entry.connected()},
          {"accepted", entry.accepted()},
          {"phase", PhaseName(entry.status().phase())},
          {"readyContainers", ready},
          {"containers", entry.status().containers_size()},
          {"message", message}};
}

Json ShownPlacement(const absl::StatusOr<v1::ExplainPodReply>& explained, const Json& hosts) {
  std::map<std::string, Json> by_name;
  Json shown = Json::object();
  if (explained.ok()) {
    shown["placement"] = explained->placement();
    if (explained->hosts() > 0) shown["wanted"] = explained->hosts();
    shown["condition"] = explained->condition();
    shown["cpuMilli"] = explained->cpu_milli();
    shown["memoryBytes"] = explained->memory_bytes();
    for (const auto& entry : explained->entries()) by_name[entry.host()] = ShownEntry(entry);
  } else {
    shown["reason"] = Message(explained.status());
  }
  for (const Json& host : hosts) by_name[host["host"].get<std::string>()].update(host);
  shown["hosts"] = Json::array();
  for (auto& [name, host] : by_name) shown["hosts"].push_back(std::move(host));
  return shown;
}

Json ObjectOf(Json properties) {
  Json required = Json::array();
  for (const auto& [name, schema] : properties.items()) required.push_back(name);
  return {{"type", "object"},
          {"additionalProperties", false},
          {"properties", std::move(properties)},
          {"required", std::move(required)}};
}

void AddHostSchemas(Json& schemas) {
  const Json text = {{"type", "string"}}, number = {{"type", "integer"}}, truth = {{"type", "boolean"}};
  const auto about = [](Json schema, const char* description) {
    schema["description"] = description;
    return schema;
  };
  schemas["WorkloadHost"] = ObjectOf({{"host", text},
                                      {"state", text},
                                      {"connected", truth},
                                      {"accepted", truth},
                                      {"phase", text},
                                      {"readyContainers", number},
                                      {"containers", number},
                                      {"message", text}});
  Json host = schemas["WorkloadHost"];
  host["description"] = "What the hub thinks of a host; of one that has the pod also what it says itself.";
  host["required"] = {"host"};
  host["properties"].update(
      {{"chosen", about(truth, "It runs there, or is about to.")},
       {"matched", about(truth, "The target condition, and the node's own, select it.")},
       {"reason", about(text, "Why not; empty where it is chosen.")},
       {"freeCpuMilli", about(number, "Left for new pods; absent before the host has told its size.")},
       {"freeMemoryBytes", number},
       {"maxReplicas", about(number, "How often the pod has room there, beside what runs there already.")},
       {"receiveRate", about(number, "Bytes per second; absent while it is not known.")}});
  schemas["PlacementHost"] = std::move(host);
  const Json hosts = {{"type", "array"}, {"items", {{"$ref", "#/components/schemas/PlacementHost"}}}};
  Json placement = ObjectOf({{"namespace", text}, {"name", text}, {"node", text}, {"hosts", hosts}});
  placement["properties"].update(
      {{"placement", about(text, "all, worst-fit, best-fit or traffic-most; host on the node of one host.")},
       {"wanted", about(number, "How many hosts placement chooses; absent when it is all.")},
       {"condition", about(text, "The pod's target condition.")},
       {"cpuMilli", about(number, "What one instance counts as.")},
       {"memoryBytes", number},
       {"reason", about(text, "Why nothing is said of hosts that do not have the pod.")}});
  schemas["Placement"] = std::move(placement);
}

}  // namespace slicelet::provider
