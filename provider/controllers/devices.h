#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/time.h"
#include "provider/controllers/controller.h"
#include "provider/controllers/settings.h"

namespace slicelet::provider {

/// What the core-data of a gateway holds of one of its IoT devices.
struct HeldReadings {
  std::int64_t count = 0;
  /// When the newest one was taken; nullopt when there is none.
  std::optional<WallTime> newest;
  /// When core-data was first seen to hold just these.
  WallTime observed{};
};

/// What the hosts of a gateway said last about one of its IoT devices.
struct DeviceReport {
  bool applied = false;
  std::string reason;
  std::string message;
  /// nullopt while nothing has been said.
  std::optional<HeldReadings> readings{};
};

/// By the gateway's pod and the device's name; nullopt while nothing has been said.
using DeviceReports =
    std::function<std::optional<DeviceReport>(const std::string& pod_uid, const std::string& device)>;

/// IotDevice: whether its gateway takes it, and what the gateway's EdgeX said. It is delivered with the
/// gateway's pod (`DeviceEntries`) and leaves with its entry.
std::unique_ptr<Controller> MakeDeviceController(ControllerSettings settings, DeviceReports reports);

/// The IotDevices of a gateway that are not being deleted.
std::vector<const Json*> DevicesOfGateway(const World& world, const Json& gateway);

/// How EdgeX' device services are told to reach an IotDevice: "protocols" of its device in core-metadata,
/// with what they need and the spec may leave out.
Json ProtocolsOf(const Json& device);

/// One file for each of them that the gateway takes, as edge-agent/edgex reads it: name to JSON text.
Json DeviceEntries(const World& world, const Json& gateway);

}  // namespace slicelet::provider
