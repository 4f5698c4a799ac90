#include "edge-agent/volumes/downward.h"

#include <map>

namespace slicelet::agent {
namespace {

std::string Join(const std::vector<std::string>& parts) {
  std::string text;
  for (const auto& part : parts) text += (text.empty() ? "" : ",") + part;
  return text;
}

/// As Go's %q writes it: what the kubelet puts into label files.
std::string Quote(const std::string& text) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string quoted = "\"";
  for (const char c : text) {
    switch (c) {
      case '"':
        quoted += "\\\"";
        break;
      case '\\':
        quoted += "\\\\";
        break;
      case '\n':
        quoted += "\\n";
        break;
      case '\r':
        quoted += "\\r";
        break;
      case '\t':
        quoted += "\\t";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
          quoted += "\\x";
          quoted += kHex[(c >> 4) & 0xf];
          quoted += kHex[c & 0xf];
        } else {
          quoted += c;
        }
    }
  }
  return quoted + "\"";
}

template <typename ProtoMap>
std::string FormatMap(const ProtoMap& map) {
  std::string text;
  for (const auto& [key, value] : std::map<std::string, std::string>(map.begin(), map.end())) {
    text += (text.empty() ? "" : "\n") + key + "=" + Quote(value);
  }
  return text;
}

/// The key of "metadata.labels['KEY']", or false.
bool Subscript(const std::string& path, const std::string& name, std::string& key) {
  const std::string head = name + "['";
  if (path.rfind(head, 0) != 0 || path.size() < head.size() + 2) return false;
  if (path.compare(path.size() - 2, 2, "']") != 0) return false;
  key = path.substr(head.size(), path.size() - head.size() - 2);
  return true;
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
  std::string key;
  if (path == "metadata.name") return workload.name();
  if (path == "metadata.namespace") return workload.namespace_();
  if (path == "metadata.uid") return workload.uid();
  if (path == "metadata.labels") return FormatMap(workload.labels());
  if (path == "metadata.annotations") return FormatMap(workload.annotations());
  if (Subscript(path, "metadata.labels", key)) return Find(workload.labels(), key);
  if (Subscript(path, "metadata.annotations", key)) return Find(workload.annotations(), key);
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
