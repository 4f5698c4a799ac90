#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "common/base/status.h"
#include "common/mqtt/module_dialer.h"
#include "edge-agent/senml-export/bus_reader.h"
#include "edge-agent/senml-export/exporter.h"

namespace slicelet::senml {

/// What the program is told by its environment, as EdgeX's services are.
struct Settings {
  MqttBrokerAddress bus;
  BusReader::Options reader;
  MqttBrokerAddress server;
  Exporter::Options exporter;
  std::string store = "/var/lib/senml-export/outbox.db";
  std::uint64_t store_limit = std::uint64_t{256} << 20;
  /// HOST:PORT of the probes and metrics, HTTPS.
  std::string listen = "0.0.0.0:59750";
  std::string log_level = "info";
};

/// The value of an environment variable, if it is set.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;

/// InvalidArgument names every variable that is missing or wrong. Reads the file of SENML_CA_FILE.
absl::StatusOr<Settings> ReadSettings(const Environment& environment);

/// Every variable with its meaning, for --help.
extern const char kSettingsHelp[];

}  // namespace slicelet::senml
