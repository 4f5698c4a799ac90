// The IoT agent for UltraLight: devices are provisioned on its north port, and measure on its south port.
#include <mutex>
#include <thread>

#include "tests/stand-ins/fiware/database.h"
#include "tests/stand-ins/fiware/services.h"
#include "tests/stand-ins/fiware/ultralight.h"

namespace slicelet::fiware {
namespace {

using stand_ins::Env;
using stand_ins::IntEnv;

/// A whole text that is a JSON number, true or false becomes one; anything else stays text.
Json Cast(const std::string& text) {
  if (Env("IOTA_AUTOCAST", "false") != "true") return text;
  const Json value = Json::parse(text, nullptr, false);
  return value.is_number() || value.is_boolean() ? value : Json(text);
}

class Agent {
 public:
  Agent() {
    const std::string registry = Env("IOTA_REGISTRY_TYPE", "memory");
    if (registry != "memory" && registry != "mongodb") Die(1, "no registry type " + registry);
    if (registry == "memory") return;
    const Endpoint database{Env("IOTA_MONGO_HOST", "localhost"), IntEnv("IOTA_MONGO_PORT", 27017)};
    documents_.emplace(database);
    if (!documents_->Reachable()) Die(1, "no database at " + database.host);
    state_ = documents_->Load(kDocument, state_);
  }

  std::optional<HttpResponse> North(const HttpRequest& request) {
    if (request.path == "/iot/about") {
      return Answer(200, {{"libVersion", "4.5.0"},
                          {"port", IntEnv("IOTA_NORTH_PORT", 4041)},
                          {"baseRoot", "/"},
                          {"version", "3.3.0-stand-in"}});
    }
    const Scope scope = ScopeOf(request);
    const bool groups = request.path == "/iot/services";
    if (!groups && request.path != "/iot/devices") return std::nullopt;
    if (scope.tenant.empty() || scope.path.empty()) {
      return Refuse(400, "MISSING_HEADERS", "fiware-service and fiware-servicepath are needed");
    }
    const std::lock_guard<std::mutex> lock(mutex_);
    if (request.method == "GET") return List(groups ? "services" : "devices", scope);
    if (request.method != "POST") return std::nullopt;
    return groups ? AddGroups(request, scope) : AddDevices(request, scope);
  }

  std::optional<HttpResponse> South(const HttpRequest& request) {
    if (request.method != "POST" || request.path != "/iot/d") return std::nullopt;
    const auto parameter = [&](const std::string& name) {
      const auto found = request.query.find(name);
      return found == request.query.end() ? "" : found->second;
    };
    const std::lock_guard<std::mutex> lock(mutex_);
    const Json* group = Find("services", [&](const Json& kept) {
      return kept["item"]["apikey"] == parameter("k") && kept["item"]["resource"] == request.path;
    });
    if (group == nullptr) return Refuse(404, "DEVICE_GROUP_NOT_FOUND", "no group with key " + parameter("k"));
    const Scope scope{(*group)["tenant"], (*group)["path"]};
    const Json* device = Find("devices", [&](const Json& kept) {
      return kept["tenant"] == scope.tenant && kept["path"] == scope.path &&
             kept["item"]["device_id"] == parameter("i");
    });
    if (device == nullptr) return Refuse(404, "DEVICE_NOT_FOUND", "no device " + parameter("i"));
    const auto message = ParseUltraLight(request.body);
    if (!message.error.empty()) return Refuse(400, "BAD_PAYLOAD", message.error);
    for (const Measure& measure : message.measures) {
      Json entity = Entity((*device)["item"], (*group)["item"]);
      for (const auto& [name, value] : measure.values) AddValue((*device)["item"], name, value, entity);
      const std::string time = !measure.time.empty() ? measure.time : parameter("t");
      if (!time.empty() || Env("IOTA_TIMESTAMP") == "true") {
        entity["TimeInstant"] = {{"type", "DateTime"}, {"value", time.empty() ? Timestamp() : time}};
      }
      Forward(scope, (*group)["item"], entity);
    }
    return HttpResponse{200, ""};
  }

 private:
  static constexpr char kDocument[] = "iotagentul";

  [[nodiscard]] const Json* Find(const std::string& kind,
                                 const std::function<bool(const Json&)>& is_it) const {
    for (const auto& kept : state_[kind]) {
      if (is_it(kept)) return &kept;
    }
    return nullptr;
  }

  [[nodiscard]] HttpResponse List(const std::string& kind, const Scope& scope) const {
    Json found = Json::array();
    for (const auto& kept : state_[kind]) {
      if (kept["tenant"] == scope.tenant && kept["path"] == scope.path) found.push_back(kept["item"]);
    }
    return Answer(200, {{"count", found.size()}, {kind, found}});
  }

  HttpResponse AddGroups(const HttpRequest& request, const Scope& scope) {
    const Json body = Json::parse(request.body);
    Json next = state_;
    for (const auto& group : body.at("services")) {
      if (group.at("apikey").empty() || group.at("resource").empty() || group.at("entity_type").empty()) {
        return Refuse(400, "WRONG_SYNTAX", "a group needs apikey, resource and entity_type");
      }
      if (Find("services", [&](const Json& kept) {
            return kept["item"]["apikey"] == group["apikey"] && kept["item"]["resource"] == group["resource"];
          }) != nullptr) {
        return Refuse(409, "DUPLICATE_GROUP", "a group with this key exists");
      }
      next["services"].push_back({{"tenant", scope.tenant}, {"path", scope.path}, {"item", group}});
    }
    Keep(std::move(next));
    return Answer(201, Json::object());
  }

  HttpResponse AddDevices(const HttpRequest& request, const Scope& scope) {
    const Json body = Json::parse(request.body);
    Json next = state_;
    for (const auto& device : body.at("devices")) {
      const std::string id = device.at("device_id");
      if (device.at("entity_name").empty())
        return Refuse(400, "WRONG_SYNTAX", "a device needs an entity_name");
      if (Find("devices", [&](const Json& kept) {
            return kept["tenant"] == scope.tenant && kept["path"] == scope.path &&
                   kept["item"]["device_id"] == id;
          }) != nullptr) {
        return Refuse(409, "DUPLICATE_DEVICE_ID", "device " + id + " exists");
      }
      next["devices"].push_back({{"tenant", scope.tenant}, {"path", scope.path}, {"item", device}});
    }
    for (const auto& device : body["devices"]) {
      const Json* group = Find("services", [&](const Json& kept) {
        return kept["tenant"] == scope.tenant && kept["path"] == scope.path;
      });
      const Json settings = group != nullptr ? (*group)["item"] : Json::object();
      Forward(scope, settings, Entity(device, settings));
    }
    Keep(std::move(next));
    return Answer(201, Json::object());
  }

  void Keep(Json next) {
    if (documents_) documents_->Save(kDocument, next);
    state_ = std::move(next);
  }

  /// The device's entity with what never changes about it.
  static Json Entity(const Json& device, const Json& group) {
    Json entity = {{"id", device["entity_name"]},
                   {"type", device.value("entity_type", group.value("entity_type", "Thing"))}};
    for (const auto& attribute : device.value("static_attributes", Json::array())) {
      entity[attribute.at("name").get<std::string>()] = {{"type", attribute.value("type", "Text")},
                                                         {"value", attribute.at("value")}};
    }
    return entity;
  }

  /// A measured value under the name that the device's attributes give it, or its own.
  static void AddValue(const Json& device, const std::string& name, const std::string& value, Json& entity) {
    for (const auto& attribute : device.value("attributes", Json::array())) {
      if (attribute.value("object_id", "") != name) continue;
      entity[attribute.at("name").get<std::string>()] = {{"type", attribute.value("type", "Text")},
                                                         {"value", Cast(value)}};
      return;
    }
    entity[name] = {{"type", "Text"}, {"value", Cast(value)}};
  }

  static void Forward(const Scope& scope, const Json& group, const Json& entity) {
    const Endpoint broker = group.contains("cbroker")
                                ? EndpointOf(group["cbroker"])
                                : Endpoint{Env("IOTA_CB_HOST", "localhost"), IntEnv("IOTA_CB_PORT", 1026)};
    const auto answer =
        stand_ins::Fetch(broker, "POST", "/v2/entities?options=upsert", entity.dump(), Headers(scope));
    if (!answer || answer->status / 100 != 2) {
      throw std::runtime_error("the context broker at " + broker.host + " did not take " +
                               entity["id"].dump());
    }
  }

  std::mutex mutex_;
  std::optional<Documents> documents_;  // none: the registry is in memory
  Json state_ = {{"services", Json::array()}, {"devices", Json::array()}};
};

}  // namespace

void RunUltraLightAgent(int argc, char** argv) {
  Options(argc, argv, {}, {}, 1);
  if (Env("IOTA_CB_NGSI_VERSION", "v2") != "v2") Die(1, "only NGSI v2 is known here");
  Agent agent;
  std::thread([&] {
    Serve(IntEnv("IOTA_HTTP_PORT", 7896), [&](const HttpRequest& request) { return agent.South(request); });
  }).detach();
  Serve(IntEnv("IOTA_NORTH_PORT", 4041), [&](const HttpRequest& request) { return agent.North(request); });
}

}  // namespace slicelet::fiware
