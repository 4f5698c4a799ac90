#pragma once

#include <memory>
#include <string>

#include "provider/controllers/controller.h"
#include "provider/controllers/settings.h"

namespace slicelet::provider {

/// IotServer: one that is run by others (profile external) is adopted: its addresses are told, nothing is
/// made.
std::unique_ptr<Controller> MakeServerController(ControllerSettings settings);

/// Where gateways publish to a server of profile external: what its endpoints say, else port 1883 of its
/// host.
std::string MqttAddressOf(const Json& server);

}  // namespace slicelet::provider
