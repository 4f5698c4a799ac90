#include "tests/sim/controllers_life.h"

#include <utility>

#include "provider/app/hub_reports.h"
#include "provider/controllers/controllers.h"
#include "tests/sim/machines.h"

namespace slicelet::sim {

ControllersLife::ControllersLife(Surroundings& around, Random& random, provider::Hub& hub)
    : api_(around.api.ApiAs(kControllersUser)),
      http_(around.iot->MakeClient(around.controller_faults.request,
                                   [&around] { around.controller_faults.struck = true; })),
      clusters_(around.loop) {
  provider::Controllers made = provider::MakeControllers(
      {.hub_id = kHubId, .ns = "slicelet", .taint_key = "slicelet.io/slice-node"}, around.loop, around.clock,
      random, *api_, *http_, clusters_, provider::DeviceReportsOf(hub), provider::PlaceReportsOf(hub),
      [&hub](const std::map<std::string, std::string>& slices) { hub.SetSlices(slices); });
  engine_ = std::move(made.engine);
  hub.WatchPlaces([this] { engine_->LookAround(); });
}

ControllersLife::~ControllersLife() = default;

}  // namespace slicelet::sim
