#include "cli/operator_config.h"

#include <unistd.h>

#include <cstdlib>
#include <nlohmann/json.hpp>
#include <vector>

#include "common/config/config_reader.h"

namespace slicelet::cli {
namespace {

std::string FirstReadable(const std::vector<std::string>& paths) {
  for (const std::string& path : paths) {
    if (access(path.c_str(), R_OK) == 0) return path;
  }
  return "";
}

/// Empty when nobody says where.
std::string ChosenConfig(const std::string& path) {
  if (!path.empty()) return path;
  const char* environment = std::getenv("SLICELET_CONFIG");
  if (environment != nullptr && *environment != '\0') return environment;
  std::vector<std::string> places;
  if (const char* home = std::getenv("HOME"); home != nullptr) {
    places.push_back(std::string(home) + "/.config/slicelet/config.yaml");
  }
  places.emplace_back("/etc/slicelet/hub/operator.yaml");
  return FirstReadable(places);
}

}  // namespace

bool IsHubConfigured(const std::string& path) { return !ChosenConfig(path).empty(); }

absl::StatusOr<OperatorConfig> LoadOperatorConfig(const std::string& path) {
  const std::string chosen = ChosenConfig(path);
  if (chosen.empty()) {
    return absl::NotFoundError(
        "no hub is configured: set SLICELET_CONFIG or --config to the operator.yaml that 'slicectl hub "
        "init' wrote");
  }
  SLICELET_ASSIGN_OR_RETURN(const nlohmann::json json, LoadConfigFile(chosen));
  OperatorConfig config;
  ConfigReader reader(json);
  reader.Required("hub", &config.hub);
  reader.Required("ca", &config.ca_path);
  reader.Required("certificate", &config.certificate_path);
  reader.Required("key", &config.key_path);
  reader.Required("provider", &config.provider);
  reader.Required("shim", &config.shim);
  SLICELET_RETURN_IF_ERROR(WithContext(reader.Finish(), chosen));
  return config;
}

}  // namespace slicelet::cli
