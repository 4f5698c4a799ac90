// Makes readings up.
#include <nlohmann/json.hpp>
#include <random>
#include <thread>

#include "tests/stand-ins/edgex/device_service.h"
#include "tests/stand-ins/edgex/services.h"

namespace slicelet::edgex {
namespace {

using Json = nlohmann::json;

constexpr char kRandomDevice[] = "Random-Integer-Device";

std::string RandomValue(const std::string& type) {
  static thread_local std::mt19937_64 source{std::random_device{}()};
  const auto between = [](std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(source);
  };
  if (type == "Bool") return between(0, 1) == 1 ? "true" : "false";
  if (type == "Int8") return std::to_string(between(-128, 127));
  if (type == "Int16") return std::to_string(between(-32'768, 32'767));
  if (type == "Uint8") return std::to_string(between(0, 255));
  if (type.rfind("Float", 0) == 0) {
    char text[40];
    std::snprintf(text, sizeof text, "%e", static_cast<double>(between(-100'000, 100'000)) / 1'000);
    return text;
  }
  return std::to_string(between(0, 2'147'483'647));
}

Json RandomProfile() {
  Json resources = Json::array();
  for (const char* type : {"Int8", "Int16", "Int32", "Int64"}) {
    resources.push_back({{"name", type}, {"properties", {{"valueType", type}, {"readWrite", "RW"}}}});
  }
  return {{"name", kRandomDevice}, {"deviceResources", resources}};
}

}  // namespace

void RunDeviceVirtual(int argc, char** argv) {
  Service service("device-virtual", 59900, argc, argv);
  DeviceService devices(service);
  devices.Post("deviceprofile", "profile", RandomProfile());
  devices.Post("device", "device",
               {{"name", kRandomDevice},
                {"profileName", kRandomDevice},
                {"serviceName", service.key()},
                {"adminState", "UNLOCKED"},
                {"operatingState", "UP"},
                {"protocols", {{"other", {{"Address", "device-virtual-int-01"}, {"Port", "300"}}}}}});
  const auto read = [](const Json&, const Json& resource) {
    return RandomValue(resource["properties"]["valueType"]);
  };
  devices.ServeCommands(read, /*takes_set=*/true);
  const auto interval = std::chrono::milliseconds(service.IntSetting("STANDIN_INTERVAL_MS", 5'000));
  std::thread([&devices, &read, interval] {
    for (;; std::this_thread::sleep_for(interval)) {
      for (const Json& device : devices.Devices()) {
        const auto found = devices.Find(device["name"]);
        if (!found) continue;
        for (const Json& resource : found->second["deviceResources"]) {
          devices.Publish(DeviceService::MakeEvent(device, resource, read(device, resource)));
        }
      }
    }
  }).detach();
  service.Serve();
}

}  // namespace slicelet::edgex
