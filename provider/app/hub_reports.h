#pragma once

#include "provider/controllers/devices.h"
#include "provider/controllers/places.h"
#include "provider/hub/hub.h"

namespace slicelet::provider {

/// What the controllers ask of the hub, in their words. `hub` must outlive them.
DeviceReports DeviceReportsOf(const Hub& hub);
PlaceReports PlaceReportsOf(const Hub& hub);

}  // namespace slicelet::provider
