#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "common/base/status.h"
#include "common/metrics/metrics_server.h"
#include "common/rpc/rpc_options.h"
#include "provider/hub/hub.h"
#include "provider/rest/rest_options.h"

namespace slicelet::provider {

/// The hub's MQTT broker, for hosts whose link is MQTT.
struct ProviderMqtt {
  /// "HOST:PORT".
  std::string broker;
  /// Files: the hub's authority, and the client certificate of the hub itself.
  std::string ca_file, certificate_file, key_file;
  /// Files: the keys that sign for the hub and that answers are sealed for, and the root's certificates.
  std::string envelope_key_file, inbox_key_file;
  std::vector<std::string> key_certificate_files;
  Duration keepalive = std::chrono::seconds(60);
};

/// provider.yaml, as `slicectl hub init` writes it. Paths are absolute or relative to the working directory.
struct ProviderConfig {
  /// A listener with mutual TLS.
  struct Listener {
    std::string listen;
    RpcTls tls;
  };

  /// hub, namespace, slice, taintKey, hostNodes, fleetNodes (name to target condition), podCidr,
  /// profile (see LinkPace), logTailBytes, heartbeat, statusBatch, orphanConfirm, resumeGrace.
  Hub::Options hub;
  std::string database;
  std::string manifest_key_file;
  std::vector<std::string> key_certificate_files;
  std::string tag_key_file;
  Listener agents;
  /// After this much silence a host's connection is asked whether it still is one.
  Duration agents_keepalive = std::chrono::seconds(60);
  /// Unix socket for shim and slicectl; may be empty when `remote` is set.
  std::string socket;
  /// For a shim and slicectl on other machines.
  std::optional<Listener> remote;
  std::optional<ProviderMqtt> mqtt;
  /// Exactly one of the three says where EdgeHost objects are.
  std::string kubeconfig;
  std::string directory;
  bool in_cluster = false;
  /// Whether this provider is the one that brings about the hub's IotSlices, IotGateways and IotDevices. They
  /// need an API server: a directory has none of them.
  bool controllers = true;
  MetricsOptions metrics;
  /// Without it the admin API is served over gRPC alone.
  std::optional<AdminRestOptions> admin_rest;
};

/// InvalidArgument with every error found.
absl::StatusOr<ProviderConfig> ReadProviderConfig(const nlohmann::json& json);

}  // namespace slicelet::provider
