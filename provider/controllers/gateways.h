#pragma once

#include <memory>

#include "common/base/random.h"
#include "provider/controllers/attachments.h"
#include "provider/controllers/controller.h"
#include "provider/controllers/settings.h"

namespace slicelet::provider {

/// IotGateway: its pod with the database's password, the settings and the IoT devices that go with it, and
/// what its attachments say. `random` makes passwords, and must outlive it.
std::unique_ptr<Controller> MakeGatewayController(ControllerSettings settings, Random& random,
                                                  AttachReports attachments);

}  // namespace slicelet::provider
