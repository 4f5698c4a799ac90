// device-virtual makes readings up; device-mqtt takes them from a broker.
#include <atomic>
#include <nlohmann/json.hpp>
#include <random>
#include <thread>

#include "tests/stand-ins/edgex/bus.h"
#include "tests/stand-ins/edgex/service.h"
#include "tests/stand-ins/edgex/services.h"

namespace slicelet::edgex {
namespace {

using Json = nlohmann::json;

constexpr char kRandomDevice[] = "Random-Integer-Device";

/// What both have in common: their entry in core-metadata, their devices, and events on the bus.
class DeviceService {
 public:
  explicit DeviceService(const Service& service)
      : service_(service), metadata_(service.MetadataEndpoint()), bus_(Bus::OfService(service)) {
    // The real ones panic.
    service.RequirePing("core-metadata", 2, metadata_);
    Post("deviceservice", "service",
         {{"name", service.key()},
          {"baseAddress",
           "http://" + service.Setting("SERVICE_HOST", "localhost") + ":" + service.Setting("SERVICE_PORT")},
          {"adminState", "UNLOCKED"}});
  }

  [[nodiscard]] Bus& bus() { return bus_; }

  /// Adds one item; that it is there already is as good.
  void Post(const std::string& path, const std::string& member, const Json& item) {
    const Json body = Json::array({Json{{"apiVersion", "v3"}, {member, item}}});
    const auto answer = Fetch(metadata_, "POST", "/api/v3/" + path, body.dump());
    const Json verdicts = answer ? Json::parse(answer->body, nullptr, false) : Json();
    const int code = verdicts.is_array() && !verdicts.empty() ? verdicts[0].value("statusCode", 0) : 0;
    if (code != 201 && code != 409)
      Die(2, "core-metadata refused " + member + " " + item["name"].get<std::string>());
  }

  /// Device and profile; null when core-metadata does not have the device, or it is another service's.
  std::optional<std::pair<Json, Json>> Find(const std::string& name) {
    const auto device = Get("device/name/" + name);
    if (!device || (*device)["device"].value("serviceName", "") != service_.key()) return std::nullopt;
    const auto profile = Get("deviceprofile/name/" + (*device)["device"].value("profileName", ""));
    if (!profile) return std::nullopt;
    return std::pair((*device)["device"], (*profile)["profile"]);
  }

  std::vector<std::string> Devices() {
    std::vector<std::string> names;
    const auto all = Get("device/all?limit=-1");
    if (!all) return names;
    for (const Json& device : (*all)["devices"]) {
      if (device.value("serviceName", "") == service_.key()) names.push_back(device["name"]);
    }
    return names;
  }

  static Json MakeEvent(const Json& device, const Json& resource, const std::string& value) {
    const std::int64_t now = NowNanos();
    const Json profile = device["profileName"];
    Json reading = {{"id", NewId()},
                    {"origin", now},
                    {"deviceName", device["name"]},
                    {"resourceName", resource["name"]},
                    {"profileName", profile},
                    {"valueType", resource["properties"].value("valueType", "String")},
                    {"value", value}};
    if (resource["properties"].contains("units")) reading["units"] = resource["properties"]["units"];
    return {{"apiVersion", "v3"},
            {"id", NewId()},
            {"deviceName", device["name"]},
            {"profileName", profile},
            {"sourceName", resource["name"]},
            {"origin", now},
            {"readings", Json::array({reading})}};
  }

  void Publish(const Json& event) {
    const auto level = [&](const char* key) { return "/" + event[key].get<std::string>(); };
    bus_.Send("edgex/events/device/" + service_.key() + level("profileName") + level("deviceName") +
                  level("sourceName"),
              {{"apiVersion", "v3"}, {"requestId", NewId()}, {"event", event}});
  }

 private:
  std::optional<Json> Get(const std::string& path) {
    const auto answer = Fetch(metadata_, "GET", "/api/v3/" + path);
    if (!answer || answer->status != 200) return std::nullopt;
    return Json::parse(answer->body);
  }

  const Service& service_;
  const Endpoint metadata_;
  Bus& bus_;
};

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

/// The resource of a profile; null without it.
Json ResourceOf(const Json& profile, const std::string& name) {
  for (const Json& resource : profile["deviceResources"]) {
    if (resource["name"] == name) return resource;
  }
  return nullptr;
}

void OnCommand(DeviceService& devices, const std::string& key, const std::string& topic,
               const std::string& bytes) {
  const auto levels = TopicLevels(topic);
  const auto envelope = OpenEnvelope(bytes);
  if (!envelope || levels.size() < 8) return;
  const std::string& name = levels[5];
  // core-metadata is asked again: commands are rare.
  const auto found = devices.Find(name);
  const Json resource = found ? ResourceOf(found->second, levels[6]) : Json();
  if (resource.is_null()) {
    devices.bus().Respond(key, *envelope, {{"message", "no resource " + levels[6] + " of device " + name}},
                          1);
  } else if (levels[7] == "set") {
    devices.bus().Respond(key, *envelope, {{"message", "set"}});
  } else {
    devices.bus().Respond(
        key, *envelope,
        {{"event", DeviceService::MakeEvent(found->first, resource,
                                            RandomValue(resource["properties"]["valueType"]))}});
  }
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
  devices.bus().Subscribe("edgex/device/command/request/" + service.key() + "/#",
                          [&](const std::string& topic, const std::string& bytes) {
                            // The answer needs core-metadata, the bus its thread.
                            std::thread([&devices, &service, topic, bytes] {
                              OnCommand(devices, service.key(), topic, bytes);
                            }).detach();
                          });
  const auto interval = std::chrono::milliseconds(service.IntSetting("STANDIN_INTERVAL_MS", 5'000));
  std::thread([&devices, interval] {
    for (;; std::this_thread::sleep_for(interval)) {
      for (const std::string& name : devices.Devices()) {
        const auto found = devices.Find(name);
        if (!found) continue;
        for (const Json& resource : found->second["deviceResources"]) {
          devices.Publish(DeviceService::MakeEvent(found->first, resource,
                                                   RandomValue(resource["properties"]["valueType"])));
        }
      }
    }
  }).detach();
  service.Serve();
}

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
