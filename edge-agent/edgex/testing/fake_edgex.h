#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "common/loop/loop.h"
#include "edge-agent/edgex/edgex_client.h"

namespace slicelet::agent {

/// Core-metadata and core-data in memory, with the verdicts that the real ones give.
class FakeEdgex : public EdgexClient {
 public:
  using Json = nlohmann::json;

  explicit FakeEdgex(Loop& loop) : loop_(loop) {}

  struct Readings {
    std::int64_t count = 0;
    std::int64_t newest = 0;
  };

  std::map<std::string, Json> devices, profiles, services;
  /// What core-data holds, by device.
  std::map<std::string, Readings> readings;
  /// Devices that core-data was asked for.
  std::vector<std::string> asked;
  Duration latency = std::chrono::milliseconds(1);
  /// No request is answered.
  bool down = false;
  /// "METHOD /path" of every request that changes something.
  std::vector<std::string> changes;
  int requests = 0;
  /// What a broken service answers to everything.
  std::optional<Answer> babble;
  /// POSTs of devices are refused with this message.
  std::string refuse_devices;

  void Send(const Endpoint&, const Request& request, Callback<Answer> done) override {
    ++requests;
    loop_.RunAfter(latency, [this, request, done = std::move(done)] {
      if (down) return done(absl::UnavailableError("connection refused"));
      if (babble) return done(*babble);
      if (request.method != "GET") changes.push_back(request.method + " " + request.target);
      done(Handle(request));
    });
  }

 private:
  static Answer Say(int status, const Json& body = Json::object()) { return {status, body.dump()}; }
  static Answer Verdict(int code, const std::string& message = "") {
    return {207, Json::array({Json{{"statusCode", code}, {"message", message}}}).dump()};
  }

  /// Of a device that it does not know, core-data holds nothing, and says so.
  Answer Newest(const std::string& device) {
    asked.push_back(device);
    const Readings& held = readings[device];
    Json newest = Json::array();
    if (held.count > 0) newest.push_back({{"deviceName", device}, {"origin", held.newest}, {"value", "1"}});
    return Say(200, {{"totalCount", held.count}, {"readings", newest}});
  }

  Answer Handle(const Request& request) {
    const std::string rest = request.target.substr(std::string("/api/v3/").size());
    const std::string by_device = "reading/device/name/";
    const std::string one = "?offset=0&limit=1";
    if (rest.starts_with(by_device) && rest.ends_with(one)) {
      return Newest(rest.substr(by_device.size(), rest.size() - by_device.size() - one.size()));
    }
    if (rest == "device/all?limit=-1") {
      Json all = Json::array();
      for (const auto& [name, device] : devices) all.push_back(device);
      return Say(200, {{"devices", all}});
    }
    for (const auto& [path, member, items] :
         {std::tuple("deviceservice", "service", &services),
          std::tuple("deviceprofile", "profile", &profiles), std::tuple("device", "device", &devices)}) {
      const std::string by_name = std::string(path) + "/name/";
      if (rest.starts_with(by_name)) return One(request, member, *items, rest.substr(by_name.size()));
      if (rest == path) return Add(request, *items, Json::parse(request.body)[0][member]);
    }
    return Say(404);
  }

  Answer One(const Request& request, const char* member, std::map<std::string, Json>& items,
             const std::string& name) {
    const auto found = items.find(name);
    if (found == items.end()) return Say(404);
    if (request.method == "GET") return Say(200, {{member, found->second}});
    if (&items == &profiles) {
      for (const auto& [other, device] : devices) {
        if (device["profileName"] == name) return Say(409);
      }
    }
    items.erase(found);
    return Say(200);
  }

  Answer Add(const Request& request, std::map<std::string, Json>& items, const Json& item) {
    const std::string name = item["name"];
    if (&items == &devices) {
      if (!refuse_devices.empty()) return Verdict(400, refuse_devices);
      if (profiles.count(item["profileName"]) == 0) return Verdict(400, "unknown profile");
      if (services.count(item["serviceName"]) == 0) return Verdict(400, "unknown service");
    }
    if (request.method == "POST") {
      if (!items.emplace(name, item).second) return Verdict(409, "already exists");
      items[name]["id"] = "an-id";
      return Verdict(201);
    }
    items[name].merge_patch(item);
    return Verdict(200);
  }

  Loop& loop_;
};

}  // namespace slicelet::agent
