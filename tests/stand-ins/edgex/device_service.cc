#include "tests/stand-ins/edgex/device_service.h"

#include <chrono>
#include <map>
#include <stdexcept>
#include <thread>

namespace slicelet::edgex {

using Json = nlohmann::json;
using std::chrono::steady_clock;

namespace {

/// How often the devices are looked at for readings that are due.
constexpr std::chrono::milliseconds kTick{200};

}  // namespace

DeviceService::DeviceService(const Service& service)
    : service_(service), metadata_(service.MetadataEndpoint()), bus_(Bus::OfService(service)) {
  // The real ones panic.
  service.RequirePing("core-metadata", 2, metadata_);
  Post("deviceservice", "service",
       {{"name", service.key()},
        {"baseAddress",
         "http://" + service.Setting("SERVICE_HOST", "localhost") + ":" + service.Setting("SERVICE_PORT")},
        {"adminState", "UNLOCKED"}});
}

void DeviceService::Post(const std::string& path, const std::string& member, const Json& item) {
  const Json body = Json::array({Json{{"apiVersion", "v3"}, {member, item}}});
  const auto answer = Fetch(metadata_, "POST", "/api/v3/" + path, body.dump());
  const Json verdicts = answer ? Json::parse(answer->body, nullptr, false) : Json();
  const int code = verdicts.is_array() && !verdicts.empty() ? verdicts[0].value("statusCode", 0) : 0;
  if (code != 201 && code != 409)
    Die(2, "core-metadata refused " + member + " " + item["name"].get<std::string>());
}

std::optional<std::pair<Json, Json>> DeviceService::Find(const std::string& name) {
  const auto device = Get("device/name/" + name);
  if (!device || (*device)["device"].value("serviceName", "") != service_.key()) return std::nullopt;
  const auto profile = Get("deviceprofile/name/" + (*device)["device"].value("profileName", ""));
  if (!profile) return std::nullopt;
  return std::pair((*device)["device"], (*profile)["profile"]);
}

std::vector<Json> DeviceService::Devices() {
  std::vector<Json> own;
  const auto all = Get("device/all?limit=-1");
  if (!all) return own;
  for (const Json& device : (*all)["devices"]) {
    if (device.value("serviceName", "") == service_.key()) own.push_back(device);
  }
  return own;
}

Json DeviceService::MakeEvent(const Json& device, const Json& resource, const std::string& value) {
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

void DeviceService::Publish(const Json& event) {
  const auto level = [&](const char* key) { return "/" + event[key].get<std::string>(); };
  bus_.Send("edgex/events/device/" + service_.key() + level("profileName") + level("deviceName") +
                level("sourceName"),
            {{"apiVersion", "v3"}, {"requestId", NewId()}, {"event", event}});
}

void DeviceService::ServeCommands(const Read& read, bool takes_set) {
  bus_.Subscribe("edgex/device/command/request/" + service_.key() + "/#",
                 [this, read, takes_set](const std::string& topic, const std::string& bytes) {
                   // The answer needs core-metadata and the device, the bus its thread.
                   std::thread([this, read, takes_set, topic, bytes] {
                     Answer(topic, bytes, read, takes_set);
                   }).detach();
                 });
}

void DeviceService::Answer(const std::string& topic, const std::string& bytes, const Read& read,
                           bool takes_set) {
  const auto levels = TopicLevels(topic);
  const auto envelope = OpenEnvelope(bytes);
  if (!envelope || levels.size() < 8) return;
  const auto refuse = [&](const std::string& why) {
    bus_.Respond(service_.key(), *envelope, {{"message", why}}, 1);
  };
  const std::string& name = levels[5];
  // core-metadata is asked again: commands are rare.
  const auto found = Find(name);
  const Json resource = found ? ResourceOf(found->second, levels[6]) : Json();
  if (resource.is_null()) return refuse("no resource " + levels[6] + " of device " + name);
  if (levels[7] == "set") {
    if (!takes_set) return refuse("stand-ins set nothing at a device");
    return bus_.Respond(service_.key(), *envelope, {{"message", "set"}});
  }
  try {
    const Json event = MakeEvent(found->first, resource, read(found->first, resource));
    bus_.Respond(service_.key(), *envelope, {{"event", event}});
  } catch (const std::exception& failed) {
    refuse(failed.what());
  }
}

void DeviceService::RunAutoEvents(const Read& read) {
  std::thread([this, read] {
    std::map<std::pair<std::string, std::string>, steady_clock::time_point> due;
    for (;; std::this_thread::sleep_for(kTick)) {
      for (const Json& device : Devices()) {
        for (const Json& event : device.value("autoEvents", Json::array())) {
          const std::string name = device["name"];
          const std::string source = event.value("sourceName", "");
          const auto interval = ParseDuration(event.value("interval", ""), std::chrono::seconds(1));
          // The first one comes after an interval too.
          auto [next, fresh] = due.try_emplace({name, source}, steady_clock::now() + interval);
          if (steady_clock::now() < next->second) continue;
          next->second = steady_clock::now() + interval;
          const auto found = Find(name);
          const Json resource = found ? ResourceOf(found->second, source) : Json();
          if (resource.is_null()) continue;
          try {
            Publish(MakeEvent(device, resource, read(device, resource)));
          } catch (const std::exception& failed) {
            Log("ERROR", "reading " + source + " of device " + name + ": " + failed.what());
          }
        }
      }
    }
  }).detach();
}

std::optional<Json> DeviceService::Get(const std::string& path) {
  const auto answer = Fetch(metadata_, "GET", "/api/v3/" + path);
  if (!answer || answer->status != 200) return std::nullopt;
  return Json::parse(answer->body);
}

Json ResourceOf(const Json& profile, const std::string& name) {
  for (const Json& resource : profile["deviceResources"]) {
    if (resource["name"] == name) return resource;
  }
  return nullptr;
}

}  // namespace slicelet::edgex
