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
};

/// The value of an environment variable, if it is set.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;

/// InvalidArgument names every variable that is missing or wrong. Reads the file of SENML_CA_FILE.
absl::StatusOr<Settings> ReadSettings(const Environment& environment);

/// SENML_LISTEN alone.
absl::StatusOr<std::string> ListenAddress(const Environment& environment);

/// Names a directory with a file for each of the server's settings that the environment lacks, named like its
/// variable; a Kubernetes Secret as a volume is one. They may come late and change.
inline constexpr char kFollowedDirectory[] = "SENML_SETTINGS";
/// `environment`, and what it lacks from the files of `directory` ("" for none). Reads them at every call.
Environment WithFiles(Environment environment, const std::string& directory);
/// All that may come from files, as one text, with the authorities themselves: to tell whether anything
/// differs.
std::string FollowedSettings(const Environment& environment);

/// Every variable with its meaning, for --help.
extern const char kSettingsHelp[];

}  // namespace slicelet::senml
