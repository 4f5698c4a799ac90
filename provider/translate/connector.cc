#include "provider/translate/connector.h"

#include <nlohmann/json.hpp>

#include "common/base/encoding.h"
#include "common/base/shown_text.h"
#include "provider/translate/connector_documents.h"
#include "provider/translate/connector_modules.h"

namespace slicelet::provider {
namespace {

using Json = nlohmann::json;

/// Of a registry's host and port.
constexpr std::size_t kMaxAddress = 260;

/// What IoT Edge's own two modules, edgehub and edgeagent, were told.
class Daemons {
 public:
  Daemons(ConnectorDocuments& documents, ConnectorResult& out) : documents_(documents), out_(out) {}

  void ReadHub(const std::map<std::string, std::string>& data) {
    for (const auto& [key, value] : data) {
      const std::string field = "configmap/edgehub." + ShownText(key);
      if (key != "desiredProperties") {
        documents_.Ignore(field);
        continue;
      }
      const Json document = documents_.Document(field, value);
      for (const auto& [name, property] : document.items()) {
        if (name != "routes") {
          if (name == "schemaVersion")
            ReadVersion(field, property);
          else
            documents_.Ignore(field + "." + ShownText(name));
          continue;
        }
        if (!property.is_object()) {
          documents_.WrongType(field + ".routes", property, "an object of routes");
          continue;
        }
        for (const auto& [route, definition] : property.items()) {
          const bool known = definition.is_string() ||
                             (definition.is_object() && definition.value("route", Json()).is_string());
          if (!known) {
            documents_.WrongType(field + ".routes." + ShownText(route), definition,
                                 "a text, or an object with the text route");
          }
          out_.ignored_routes.push_back(ShownText(route));
        }
      }
    }
  }

  void ReadAgent(const std::map<std::string, std::string>& data) {
    for (const auto& [key, value] : data) {
      const std::string field = "configmap/edgeagent." + ShownText(key);
      if (key != "desiredProperties") {
        documents_.Ignore(field);
        continue;
      }
      Json document = documents_.Document(field, value);
      // Both the whole document of a device and its credentials alone are in use.
      const Json* credentials = &document;
      std::string path = field;
      for (const char* step : {"runtime", "settings", "registryCredentials"}) {
        const auto next = credentials->find(step);
        if (next == credentials->end()) continue;
        path += std::string(".") + step;
        if (!next->is_object()) return documents_.WrongType(path, *next, "an object");
        credentials = &*next;
      }
      if (path.ends_with(".registryCredentials")) ReadCredentials(path, *credentials);
      for (const auto& [name, property] : document.items()) {
        if (name == "schemaVersion")
          ReadVersion(field, property);
        else if (name != "runtime" && name != "registryCredentials")
          documents_.Ignore(field + "." + ShownText(name));
      }
    }
  }

 private:
  void ReadVersion(const std::string& field, const Json& version) {
    if (!version.is_string()) documents_.WrongType(field + ".schemaVersion", version, "a text, as \"1.0\"");
  }

  void ReadCredentials(const std::string& field, const Json& credentials) {
    Json auths = Json::object();
    for (const auto& [name, entry] : credentials.items()) {
      const auto text = [&entry](const char* key) {
        const Json value = entry.is_object() ? entry.value(key, Json()) : Json();
        return value.is_string() ? value.get<std::string>() : std::string();
      };
      const std::string path = field + "." + ShownText(name);
      if (!entry.is_object())
        return documents_.Refuse(path, "should be an object with address, username and password");
      for (const char* key : {"address", "username", "password"}) {
        // Its value may be a password: only the key is named.
        if (text(key).empty()) return documents_.Refuse(path + "." + key, "should be a text and not empty");
      }
      if (text("address").size() > kMaxAddress ||
          text("address").find_first_of(" \t\r\n") != std::string::npos)
        return documents_.Refuse(path + ".address",
                                 "is \"" + ShownText(text("address")) + "\", should be HOST or HOST:PORT");
      auths[text("address")] = {{"auth", Base64Encode(text("username") + ":" + text("password"))}};
    }
    if (!auths.empty())
      out_.docker_config = Json{{"auths", auths}}.dump(-1, ' ', false, Json::error_handler_t::replace);
  }

  ConnectorDocuments& documents_;
  ConnectorResult& out_;
};

}  // namespace

std::vector<std::string> ConnectorMapNames(const v1::Workload& workload) {
  std::vector<std::string> names = {"edgehub", "edgeagent"};
  for (const v1::Container& container : workload.containers()) names.push_back(container.name());
  return names;
}

std::optional<v1::Refusal> ApplyConnectorMaps(const ConnectorMaps& maps, v1::Workload& workload,
                                              ConnectorResult& out) {
  ConnectorDocuments documents;
  ApplyModuleSettings(maps, workload, documents);
  Daemons daemons(documents, out);
  if (const auto hub = maps.find("edgehub"); hub != maps.end()) daemons.ReadHub(hub->second);
  if (const auto agent = maps.find("edgeagent"); agent != maps.end()) daemons.ReadAgent(agent->second);
  out.ignored.assign(documents.ignored().begin(), documents.ignored().end());
  return documents.refusal();
}

}  // namespace slicelet::provider
