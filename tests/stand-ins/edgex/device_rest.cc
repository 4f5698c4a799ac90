// Takes readings that devices post, one resource each.
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "tests/stand-ins/edgex/device_service.h"
#include "tests/stand-ins/edgex/services.h"

namespace slicelet::edgex {
namespace {

using Json = nlohmann::json;

/// Whether a resource of that type may have the value.
bool Fits(const std::string& type, const std::string& value) {
  if (type == "Bool") return value == "true" || value == "false";
  const bool whole = type.find("Int") == 0 || type.find("Uint") == 0;
  if (!whole && type.find("Float") != 0) return true;
  char* end = nullptr;
  if (whole) {
    std::strtoll(value.c_str(), &end, 10);
  } else {
    std::strtod(value.c_str(), &end);
  }
  return *end == '\0';
}

HttpResponse Take(DeviceService& devices, const std::string& name, const std::string& resource_name,
                  const std::string& value) {
  const auto device = devices.Find(name);
  if (!device) return {404, "Device '" + name + "' not found"};
  const Json resource = ResourceOf(device->second, resource_name);
  if (resource.is_null()) return {404, "Resource '" + resource_name + "' not found"};
  if (value.empty()) return {400, "no request body provided"};
  if (!Fits(resource["properties"].value("valueType", "String"), value)) {
    return {400, "fail to parse " + resource_name + " reading"};
  }
  devices.Publish(DeviceService::MakeEvent(device->first, resource, value));
  return {200, ""};
}

}  // namespace

void RunDeviceRest(int argc, char** argv) {
  Service service("device-rest", 59986, argc, argv);
  DeviceService devices(service);
  service.Handle([&](const HttpRequest& request) -> std::optional<HttpResponse> {
    const auto parts = request.Below("/api/v3/resource");
    if (!parts || parts->size() != 2) return std::nullopt;
    if (request.method != "POST") return HttpResponse{405, ""};
    return Take(devices, (*parts)[0], (*parts)[1], request.body);
  });
  service.Serve();
}

}  // namespace slicelet::edgex
