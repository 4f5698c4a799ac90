#include "edge-agent/edgex/iot_device.h"

#include <algorithm>

#include "common/json/json.h"

namespace slicelet::agent {
namespace {

std::string Text(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

IotDevice Read(const std::string& file, const std::string& data) {
  IotDevice result;
  result.name = file;
  // Copying one that nests without end ends the program.
  const Json json = ParseJson(data).value_or(Json());
  if (!json.is_object() || !json.contains("device") || !json["device"].is_object()) {
    result.error = "\"" + file + "\" is no JSON object with a \"device\"";
    return result;
  }
  result.device = json["device"];
  for (const char* key : {"name", "serviceName", "profileName"}) {
    if (Text(result.device, key).empty()) {
      result.error = "\"" + file + "\": device." + key + " is required";
      return result;
    }
  }
  result.name = Text(result.device, "name");
  if (json.contains("profile")) {
    result.profile = json["profile"];
    if (!result.profile.is_object() || Text(result.profile, "name") != Text(result.device, "profileName")) {
      result.error = "\"" + file + "\": profile.name should be the device's profileName \"" +
                     Text(result.device, "profileName") + "\"";
      return result;
    }
  }
  Json& labels = result.device["labels"];
  if (!labels.is_array()) labels = Json::array();
  if (std::find(labels.begin(), labels.end(), kDeviceLabel) == labels.end()) labels.push_back(kDeviceLabel);
  return result;
}

}  // namespace

std::vector<IotDevice> ReadIotDevices(const std::vector<v1::FileSet>& sets) {
  std::vector<IotDevice> devices;
  for (const v1::FileSet& set : sets) {
    for (const auto& file : set.files()) devices.push_back(Read(file.key(), file.data()));
  }
  std::stable_sort(devices.begin(), devices.end(),
                   [](const IotDevice& a, const IotDevice& b) { return a.name < b.name; });
  for (std::size_t i = 1; i < devices.size(); ++i) {
    if (devices[i].name == devices[i - 1].name)
      devices[i].error = "\"" + devices[i].name + "\" is defined twice";
  }
  return devices;
}

}  // namespace slicelet::agent
