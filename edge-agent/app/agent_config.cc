#include "edge-agent/app/agent_config.h"

#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "common/base/encoding.h"
#include "common/base/ip_address.h"
#include "common/config/config_reader.h"
#include "common/config/link_profile.h"
#include "common/config/log_level.h"
#include "common/logs/log_tail_rule.h"
#include "edge-agent/pod/capabilities.h"

namespace slicelet::agent {
namespace {

constexpr std::size_t kRootKeyBytes = 32;

void CheckAbsolute(ConfigReader& reader, const std::string& name, const std::string& path) {
  if (path.empty() || path.front() != '/') reader.Error(name, "\"" + path + "\" is not an absolute path");
}

void ReadLink(ConfigReader& reader, LinkConfig& link) {
  std::string kind = "grpc";
  reader.Optional("kind", &kind);
  reader.Optional("module", &link.module);
  const LinkPace pace = ReadLinkProfile(reader);
  link.keepalive = pace.keepalive;
  link.readings = pace.readings;
  reader.Optional("keepalive", &link.keepalive);
  reader.Optional("readings", &link.readings);
  reader.Optional("tunnels", &link.tunnels);
  std::string log_tail = pace.low_data ? "off" : "";
  reader.Optional("logTail", &log_tail);
  if (!log_tail.empty()) {
    const auto rule = ParseLogTailRule(log_tail);
    if (rule.ok())
      link.log_tails = *rule;
    else
      reader.Error("logTail", Message(rule.status()));
  }
  if (kind == "mqtt")
    link.kind = LinkConfig::Kind::kMqtt;
  else if (kind != "grpc")
    reader.Error("kind", "\"" + kind + "\" is neither grpc nor mqtt");
  CheckAbsolute(reader, "module", link.module);
  constexpr Duration kShortest = std::chrono::seconds(5);
  constexpr Duration kLongest = std::chrono::hours(4);
  if (link.keepalive < kShortest || link.keepalive > kLongest)
    reader.Error("keepalive", "is not between 5s and 4h");
  if (link.readings < std::chrono::minutes(1) || link.readings > std::chrono::hours(24))
    reader.Error("readings", "is not between 1m and 24h");
}

void ReadPolicy(ConfigReader& reader, HostPolicy& policy) {
  reader.Optional("privileged", &policy.privileged);
  reader.Optional("hostNetwork", &policy.host_network);
  reader.Optional("hostPorts", &policy.host_ports);
  reader.Optional("hostPid", &policy.host_pid);
  reader.Optional("hostIpc", &policy.host_ipc);
  reader.Optional("unconfined", &policy.unconfined);
  std::vector<std::string> capabilities;
  reader.Optional("capabilities", &capabilities);
  for (const auto& text : capabilities) {
    if (IsCapability(CapabilityName(text)))
      policy.capabilities.insert(CapabilityName(text));
    else
      reader.Error("capabilities", "\"" + text + "\" is no capability; name one as NET_ADMIN, or ALL");
  }
  reader.Optional("hostPathPrefixes", &policy.host_path_prefixes);
  for (const auto& prefix : policy.host_path_prefixes) CheckAbsolute(reader, "hostPathPrefixes", prefix);
}

}  // namespace

std::string InstalledMqttModule() {
  std::error_code failed;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", failed);
  return (program.parent_path() / SLICELET_MODULE_DIR / "slicelet-mqtt.so").lexically_normal().string();
}

absl::StatusOr<HostCredentials> ReadHostCredentials(const std::string& path) {
  SLICELET_ASSIGN_OR_RETURN(const nlohmann::json json, LoadJsonConfigFile(path));
  HostCredentials host;
  std::string root_key;
  ConfigReader reader(json);
  reader.Required("hub", &host.hub);
  reader.Required("host", &host.host);
  reader.Required("endpoint", &host.endpoint);
  reader.Required("ca", &host.ca);
  reader.Required("certificate", &host.certificate);
  reader.Required("key", &host.key);
  reader.Required("sealingKey", &host.sealing_key);
  reader.Required("rootKey", &root_key);
  const auto bytes = HexDecode(root_key);
  if (!bytes.ok() || bytes->size() != kRootKeyBytes)
    reader.Error("rootKey", "is not 64 hexadecimal digits");
  else
    host.root_key = *bytes;
  reader.Object("mqtt", [&](ConfigReader& mqtt) {
    mqtt.Required("endpoint", &host.mqtt_endpoint);
    std::vector<std::string> keys;
    mqtt.Optional("keys", &keys);
    for (const std::string& key : keys) {
      auto decoded = HexDecode(key);
      if (decoded.ok())
        host.mqtt_keys.push_back(*std::move(decoded));
      else
        mqtt.Error("keys", "\"" + key + "\" is not hexadecimal");
    }
  });
  const auto status = reader.Finish();
  if (!status.ok()) return WithContext(status, path);
  return host;
}

absl::StatusOr<AgentConfig> ReadAgentConfig(const std::string& path, bool optional) {
  AgentConfig config;
  if (optional && access(path.c_str(), F_OK) != 0) return config;
  SLICELET_ASSIGN_OR_RETURN(const nlohmann::json json, LoadJsonConfigFile(path));
  ConfigReader reader(json);
  reader.Optional("runtimeSocket", &config.runtime_socket);
  reader.Optional("root", &config.root);
  reader.Optional("logRoot", &config.log_root);
  reader.Optional("cgroupParent", &config.cgroup_parent);
  ReadLogLevel(reader);
  reader.Optional("address", &config.address);
  reader.Optional("bootIdFile", &config.boot_id_file);
  reader.Optional("tags", &config.tags);
  reader.Optional("maxPods", &config.max_pods);
  reader.Optional("logMaxBytes", &config.log_max_bytes);
  reader.Optional("logMaxFiles", &config.log_max_files);
  reader.Optional("imageGcHighPercent", &config.image_high_percent);
  reader.Optional("imageGcLowPercent", &config.image_low_percent);
  reader.Object("policy", [&](ConfigReader& policy) { ReadPolicy(policy, config.policy); });
  reader.Object("link", [&](ConfigReader& link) { ReadLink(link, config.link); });
  CheckAbsolute(reader, "runtimeSocket", config.runtime_socket);
  CheckAbsolute(reader, "root", config.root);
  CheckAbsolute(reader, "logRoot", config.log_root);
  CheckAbsolute(reader, "cgroupParent", config.cgroup_parent);
  CheckAbsolute(reader, "bootIdFile", config.boot_id_file);
  if (!config.address.empty() && !IsIpAddress(config.address))
    reader.Error("address", "\"" + config.address + "\" is no IP address");
  if (config.max_pods < 1 || config.max_pods > 1'000) reader.Error("maxPods", "is not between 1 and 1000");
  if (config.log_max_files < 2) reader.Error("logMaxFiles", "is less than 2");
  if (config.image_high_percent < 1 || config.image_high_percent > 100)
    reader.Error("imageGcHighPercent",
                 std::to_string(config.image_high_percent) + " is not between 1 and 100");
  if (config.image_low_percent < 0 || config.image_low_percent >= config.image_high_percent)
    reader.Error("imageGcLowPercent",
                 std::to_string(config.image_low_percent) + " is not between 0 and imageGcHighPercent");
  constexpr std::uint64_t kLeastLogBytes = std::uint64_t{64} * 1024;
  if (config.log_max_bytes < kLeastLogBytes) reader.Error("logMaxBytes", "is less than 65536");
  const auto status = reader.Finish();
  if (!status.ok()) return WithContext(status, path);
  return config;
}

}  // namespace slicelet::agent
