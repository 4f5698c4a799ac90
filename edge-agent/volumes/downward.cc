#include "edge-agent/volumes/downward.h"

#include "common/base/downward.h"

namespace slicelet::agent {
namespace {

std::string Join(const std::vector<std::string>& parts) {
  std::string text;
  for (const auto& part : parts) text += (text.empty() ? "" : ",") + part;
  return text;
}

template <typename ProtoMap>
std::string FormatMap(const ProtoMap& map) {
  return FormatDownwardMap({map.begin(), map.end()});
}

template <typename ProtoMap>
std::string Find(const ProtoMap& map, const std::string& key) {
  const auto it = map.find(key);
  return it == map.end() ? "" : it->second;
}

const v1::Container* FindContainer(const v1::Workload& workload, const std::string& name) {
  for (const auto& container : workload.containers()) {
    if (container.name() == name) return &container;
  }
  for (const auto& container : workload.init_containers()) {
    if (container.name() == name) return &container;
  }
  return nullptr;
}

}  // namespace

absl::StatusOr<std::string> ResolveField(const v1::Workload& workload, const std::string& path,
                                         const HostFacts& facts) {
  if (path == "metadata.name") return workload.name();
  if (path == "metadata.namespace") return workload.namespace_();
  if (path == "metadata.uid") return workload.uid();
  if (path == "metadata.labels") return FormatMap(workload.labels());
  if (path == "metadata.annotations") return FormatMap(workload.annotations());
  if (const auto key = DownwardKey(path, "metadata.labels")) return Find(workload.labels(), *key);
  if (const auto key = DownwardKey(path, "metadata.annotations")) return Find(workload.annotations(), *key);
  if (path == "spec.nodeName") return workload.node_name();
  if (path == "spec.serviceAccountName") return workload.service_account();
  if (path == "status.hostIP" || path == "status.hostIPs") return facts.host_ip;
  if (path == "status.podIP") return facts.pod_ips.empty() ? "" : facts.pod_ips.front();
  if (path == "status.podIPs") return Join(facts.pod_ips);
  return absl::InvalidArgumentError("unsupported fieldPath: " + path);
}

absl::StatusOr<std::string> ResolveResource(const v1::Workload& workload, const v1::ResourceField& field,
                                            const std::string& container_name, const HostFacts& facts) {
  const std::string& name = field.container().empty() ? container_name : field.container();
  const v1::Container* container = FindContainer(workload, name);
  if (container == nullptr) return absl::InvalidArgumentError("resourceFieldRef: no container named " + name);
  const auto dot = field.resource().find('.');
  const std::string kind = field.resource().substr(0, dot);
  const std::string resource = dot == std::string::npos ? "" : field.resource().substr(dot + 1);
  const bool limit = kind == "limits";
  if (!limit && kind != "requests") {
    return absl::InvalidArgumentError("unsupported container resource: " + field.resource());
  }
  const v1::Resources& set = limit ? container->limits() : container->requests();
  std::int64_t value = 0;
  std::int64_t fallback = 0;
  std::int64_t divisor = field.divisor();
  if (resource == "cpu") {
    value = set.cpu_milli();
    fallback = facts.allocatable_cpu_milli;
    if (divisor <= 0) divisor = 1000;
  } else if (resource == "memory") {
    value = set.memory_bytes();
    fallback = facts.allocatable_memory_bytes;
  } else if (resource == "ephemeral-storage") {
    value = set.ephemeral_storage_bytes();
    fallback = facts.allocatable_ephemeral_bytes;
  } else {
    return absl::InvalidArgumentError("unsupported container resource: " + field.resource());
  }
  if (divisor <= 0) divisor = 1;
  if (value == 0 && limit) value = fallback;
  return std::to_string(value / divisor + (value % divisor > 0 ? 1 : 0));
}

}  // namespace slicelet::agent
