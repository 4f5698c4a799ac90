#pragma once

#include <string>

namespace slicelet::provider {

/// What the controllers know of their hub.
struct ControllerSettings {
  std::string hub_id;
  /// Where EdgeHosts, IotClusters and IotSlices live.
  std::string ns;
  std::string taint_key;
};

inline constexpr char kHubLabel[] = "slicelet.io/hub";
inline constexpr char kSliceLabel[] = "slicelet.io/slice";
/// On what was made for a gateway or a server: its name.
inline constexpr char kGatewayLabel[] = "slicelet.io/gateway";
inline constexpr char kServerLabel[] = "slicelet.io/server";

}  // namespace slicelet::provider
