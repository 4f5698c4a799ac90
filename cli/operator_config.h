#pragma once

#include <string>

#include "common/base/status.h"

namespace slicelet::cli {

/// How slicectl reaches a hub: the operator.yaml that `hub init` writes. Paths are absolute.
struct OperatorConfig {
  std::string hub;
  std::string ca_path, certificate_path, key_path;
  /// "unix:/path" or HOST:PORT.
  std::string provider;
  /// HOST:PORT of the shim's API in standalone mode.
  std::string shim;
};

/// `path`, else $SLICELET_CONFIG, else ~/.config/slicelet/config.yaml, else /etc/slicelet/hub/operator.yaml.
/// NotFound tells where it looked and how to make one.
absl::StatusOr<OperatorConfig> LoadOperatorConfig(const std::string& path);
/// One of these places is named, or has a file.
bool IsHubConfigured(const std::string& path);

}  // namespace slicelet::cli
