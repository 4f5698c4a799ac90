#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "slicelet/v1/workload.pb.h"

namespace slicelet::agent {

/// One IoT device of a gateway, in core-metadata's own words.
struct IotDevice {
  /// The device's name; of a file that can not be read, the file's.
  std::string name;
  nlohmann::json device;
  /// null: the profile is there already.
  nlohmann::json profile;
  /// Why it can not be applied; "" for a good one.
  std::string error;

  friend bool operator==(const IotDevice&, const IotDevice&) = default;
};

/// Devices that the agent made carry this label (a device's `labels`): others are nobody's business here.
inline constexpr char kDeviceLabel[] = "slicelet.io";

/// Reads every file of the sets: {"device": {"name", "serviceName", "profileName", ...}, "profile": {"name",
/// ...}}. Sorted by name; of two with one name the second is an error.
std::vector<IotDevice> ReadIotDevices(const std::vector<v1::FileSet>& sets);

}  // namespace slicelet::agent
