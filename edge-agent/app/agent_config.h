#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/base/status.h"
#include "common/base/time.h"
#include "edge-agent/pod/host_policy.h"
#include "slicelet/v1/link.pb.h"

namespace slicelet::agent {

/// /etc/slicelet/host.json: who this host is and which hub it belongs to. Made by `slicectl host add`.
struct HostCredentials {
  std::string hub;
  std::string host;
  /// "host:port" of the provider.
  std::string endpoint;
  /// PEM.
  std::string ca, certificate, key, sealing_key;
  /// The hub's root manifest key: 32 raw bytes (64 hexadecimal digits in the file).
  std::string root_key;
  /// "host:port" of the hub's MQTT broker; empty when it has none.
  std::string mqtt_endpoint;
  /// Serialized v1.KeyCertificate of the keys that the hub uses over it (hexadecimal in the file).
  std::vector<std::string> mqtt_keys;
};

/// Where the MQTT client is beside an installed agent, wherever that is.
std::string InstalledMqttModule();

/// How the host reaches its hub.
struct LinkConfig {
  enum class Kind { kGrpc, kMqtt };
  Kind kind = Kind::kGrpc;
  /// The shared object with the MQTT client; loaded only for an MQTT link.
  std::string module = InstalledMqttModule();
  Duration keepalive = std::chrono::seconds(60);
  /// The readings of IoT devices are told at most this often.
  Duration readings = std::chrono::seconds(60);
  /// MQTT only: dial the provider's own endpoint for logs, exec, attach and port-forward when the hub asks
  /// for it. False where only the broker can be reached.
  bool tunnels = true;
  /// When the hub may read the ends of containers' logs, to keep them for the time when this host can not be
  /// reached; nullopt: when it does by itself.
  std::optional<v1::LogTailRule> log_tails;
};

/// /etc/slicelet/agent.json: what the host's owner decides. Optional; every field has a safe default.
struct AgentConfig {
  std::string runtime_socket = "/run/containerd/containerd.sock";
  std::string root = "/var/lib/slicelet";
  std::string log_root = "/var/log/pods";
  std::string cgroup_parent = "/slicelet";
  /// The address pods on the host's network show; empty: that of the default route.
  std::string address;
  /// Says whether the machine was booted anew.
  std::string boot_id_file = "/proc/sys/kernel/random/boot_id";
  std::map<std::string, std::string> tags;
  int max_pods = 110;
  std::uint64_t log_max_bytes = 10ULL * 1024 * 1024;
  int log_max_files = 5;
  /// In percent of the images' file system: above `high` unused images are removed, down to `low`.
  int image_high_percent = 85;
  int image_low_percent = 80;
  HostPolicy policy;
  LinkConfig link;
};

/// Errors name the file, the field and the value.
absl::StatusOr<HostCredentials> ReadHostCredentials(const std::string& path);
/// A file that does not exist is an empty one only where `optional` is set.
absl::StatusOr<AgentConfig> ReadAgentConfig(const std::string& path, bool optional);

}  // namespace slicelet::agent
