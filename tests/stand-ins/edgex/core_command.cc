// Turns commands over REST into requests on the bus.
#include <nlohmann/json.hpp>

#include "tests/stand-ins/edgex/bus.h"
#include "tests/stand-ins/edgex/service.h"
#include "tests/stand-ins/edgex/services.h"

namespace slicelet::edgex {
namespace {

using Json = nlohmann::json;

HttpResponse Refuse(int status, const std::string& message) {
  return {status, Json{{"apiVersion", "v3"}, {"statusCode", status}, {"message", message}}.dump()};
}

std::optional<HttpResponse> Answer(const Service& service, Bus& bus, const HttpRequest& request) {
  const auto parts = request.Below("/api/v3/device/name");
  if (!parts || parts->size() != 2) return std::nullopt;
  const std::string verb = request.method == "GET" ? "get" : request.method == "PUT" ? "set" : "";
  if (verb.empty()) return Refuse(405, "method not allowed");
  const auto& device = (*parts)[0];
  const auto found = Fetch(service.MetadataEndpoint(), "GET", "/api/v3/device/name/" + device);
  if (!found) return Refuse(503, "core-metadata does not answer");
  if (found->status != 200) return Refuse(404, "device '" + device + "' does not exist");
  const std::string owner = Json::parse(found->body)["device"].value("serviceName", "");
  const auto answer =
      bus.Request("edgex/device/command/request/" + owner + "/" + device + "/" + (*parts)[1] + "/" + verb,
                  owner, verb == "set" ? Json::parse(request.body) : Json::object());
  if (!answer) return Refuse(503, "device service '" + owner + "' does not answer");
  if (answer->value("errorCode", 0) != 0) return Refuse(500, (*answer)["payload"].dump());
  Json body = (*answer)["payload"];
  body["apiVersion"] = "v3";
  body["statusCode"] = 200;
  return HttpResponse{200, body.dump()};
}

}  // namespace

void RunCoreCommand(int argc, char** argv) {
  Service service("core-command", 59882, argc, argv);
  Bus& bus = Bus::OfService(service);
  service.RequirePing("core-metadata", 1, service.MetadataEndpoint());
  service.Handle([&](const HttpRequest& request) { return Answer(service, bus, request); });
  service.Serve();
}

}  // namespace slicelet::edgex
