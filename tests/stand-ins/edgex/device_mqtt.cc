// Takes readings from a broker of the IoT devices.
#include <nlohmann/json.hpp>

#include "tests/stand-ins/edgex/device_service.h"
#include "tests/stand-ins/edgex/services.h"

namespace slicelet::edgex {

using Json = nlohmann::json;

void RunDeviceMqtt(int argc, char** argv) {
  Service service("device-mqtt", 59982, argc, argv);
  DeviceService devices(service);
  auto* broker = new Bus({.host = service.Setting("MQTTBROKERINFO_HOST", "localhost"),
                          .port = service.IntSetting("MQTTBROKERINFO_PORT", 1883),
                          .client_id = service.Setting("MQTTBROKERINFO_CLIENTID", service.key())});
  service.Require("the devices' broker", 2, [&] { return broker->Connect(); });
  broker->Subscribe("incoming/data/#", [&](const std::string& topic, const std::string& payload) {
    const auto levels = TopicLevels(topic);
    if (levels.size() != 4) return;
    const auto found = devices.Find(levels[2]);
    const Json resource = found ? ResourceOf(found->second, levels[3]) : Json();
    if (resource.is_null()) {
      Log("ERROR", "reading of an unknown device or resource dropped: " + topic);
      return;
    }
    devices.Publish(DeviceService::MakeEvent(found->first, resource, payload));
  });
  service.Serve();
}

}  // namespace slicelet::edgex
