#include "provider/translate/connector.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <set>

#include "common/base/encoding.h"
#include "common/json/json.h"

namespace slicelet::provider {
namespace {

using Json = nlohmann::json;

constexpr char kInvalidConfigMap[] = "InvalidConfigMap";
constexpr std::size_t kMaxDocument = std::size_t{128} * 1'024;
constexpr std::size_t kMaxShown = 120;
/// Deeper than anything docker or IoT Edge knows.
constexpr int kMaxDepth = 32;
constexpr int kHighestPort = 65'535;
/// PATH_MAX.
constexpr std::size_t kMaxPath = 4'095;
/// Of a registry's host and port.
constexpr std::size_t kMaxAddress = 260;

std::string Shown(const std::string& text) {
  return text.size() <= kMaxShown ? text : text.substr(0, kMaxShown) + "[...]";
}

bool IsAddress(const std::string& text) {
  in6_addr parsed{};
  return inet_pton(AF_INET, text.c_str(), &parsed) == 1 || inet_pton(AF_INET6, text.c_str(), &parsed) == 1;
}

class Connector {
 public:
  Connector(v1::Workload& workload, ConnectorResult& out) : workload_(workload), out_(out) {}

  std::optional<v1::Refusal> Run(const ConnectorMaps& maps) {
    for (v1::Container& container : *workload_.mutable_containers()) {
      const auto map = maps.find(container.name());
      if (map != maps.end()) ReadModule(container, map->second);
    }
    if (const auto hub = maps.find("edgehub"); hub != maps.end()) ReadHub(hub->second);
    if (const auto agent = maps.find("edgeagent"); agent != maps.end()) ReadAgent(agent->second);
    out_.ignored.assign(ignored_.begin(), ignored_.end());
    return std::move(refusal_);
  }

 private:
  // The first refusal counts, so that the message is about one value.
  void Refuse(const std::string& field, const std::string& message) {
    if (refusal_) return;
    refusal_.emplace();
    refusal_->set_reason(kInvalidConfigMap);
    refusal_->set_field(field);
    refusal_->set_message(field + " " + message);
  }
  void WrongType(const std::string& field, const Json& value, const std::string& wanted) {
    Refuse(field, "is " + Shown(value.dump(-1, ' ', false, Json::error_handler_t::replace)) + ", should be " +
                      wanted);
  }
  void Ignore(const std::string& field) { ignored_.insert(field); }

  /// An object, or an empty one after a refusal.
  Json Document(const std::string& field, const std::string& text) {
    if (text.size() > kMaxDocument) {
      Refuse(field, "is longer than " + std::to_string(kMaxDocument) + " bytes");
      return Json::object();
    }
    if (text.find_first_not_of(" \t\r\n") == std::string::npos) return Json::object();
    auto json = ParseJson(text, kMaxDepth);
    if (!json.ok() || !json->is_object()) {
      Refuse(field, "is \"" + Shown(text) + "\", should be a JSON object" +
                        (json.ok() ? "" : ": " + Message(json.status())));
      return Json::object();
    }
    return *std::move(json);
  }

  void ReadModule(v1::Container& container, const std::map<std::string, std::string>& data) {
    const std::string map = "configmap/" + container.name();
    for (const auto& [key, value] : data) {
      const std::string field = map + "." + Shown(key);
      if (key == "createOptions") {
        ReadCreateOptions(container, field, Document(field, value));
      } else if (key == "desiredProperties") {
        const Json properties = Document(field, value);
        SetVariable(container, "DESIRED_PROPERTIES",
                    properties.dump(-1, ' ', false, Json::error_handler_t::replace));
      } else if (key == "restartPolicy") {
        ReadRestartPolicy(field, value);
      } else if (key == "status") {
        if (value == "stopped")
          Refuse(field, "is \"stopped\", which slicelet does not do; scale the Deployment to 0 instead");
        else if (value != "running")
          Refuse(field, "is \"" + Shown(value) + "\", should be running");
      } else if (key != "version") {
        Ignore(field);
      }
    }
  }

  /// on-failure and on-unhealthy restarted a module that ended with 0 too.
  void ReadRestartPolicy(const std::string& field, const std::string& value) {
    if (value == "always" || value == "on-failure" || value == "on-unhealthy") return;
    if (value != "never")
      return Refuse(field,
                    "is \"" + Shown(value) + "\", should be always, on-failure, on-unhealthy or never");
    if (workload_.restart_policy() != v1::RESTART_POLICY_NEVER)
      Refuse(field, "is \"never\", which needs spec.restartPolicy of the pod to be Never");
  }

  static void SetVariable(v1::Container& container, const std::string& name, const std::string& value) {
    v1::EnvVar& variable = *container.add_env();
    variable.set_name(name);
    variable.set_literal(value);
  }

  /// A list of texts, or one text.
  bool ReadWords(const std::string& field, const Json& value, std::vector<std::string>& words) {
    const Json list = value.is_string() ? Json::array({value}) : value;
    if (value.is_null()) return false;
    if (!list.is_array()) {
      WrongType(field, value, "a list of texts");
      return false;
    }
    for (const Json& word : list) {
      if (!word.is_string()) {
        WrongType(field, value, "a list of texts");
        return false;
      }
      if (word.get_ref<const std::string&>().find('\0') != std::string::npos) {
        WrongType(field, value, "a list of texts without the character 0");
        return false;
      }
      words.push_back(word.get<std::string>());
    }
    return true;
  }

  void ReadCreateOptions(v1::Container& container, const std::string& field, const Json& options) {
    for (const auto& [key, value] : options.items()) {
      const std::string path = field + "." + Shown(key);
      std::vector<std::string> words;
      if (key == "Env") {
        if (ReadWords(path, value, words)) ReadEnvironment(container, path, words);
      } else if (key == "Cmd") {
        if (ReadWords(path, value, words)) container.mutable_args()->Assign(words.begin(), words.end());
      } else if (key == "Entrypoint") {
        if (ReadWords(path, value, words)) container.mutable_command()->Assign(words.begin(), words.end());
      } else if (key == "WorkingDir") {
        if (!value.is_string() || !IsPath(value.get<std::string>()))
          WrongType(path, value, "an absolute path");
        else
          container.set_working_dir(value.get<std::string>());
      } else if (key == "HostConfig") {
        if (value.is_object())
          ReadHostConfig(container, path, value);
        else
          WrongType(path, value, "an object");
      } else if (key != "ExposedPorts") {
        // Every port is reachable within the pod's network anyway.
        Ignore(path);
      }
    }
  }

  void ReadEnvironment(v1::Container& container, const std::string& field,
                       const std::vector<std::string>& words) {
    for (const std::string& word : words) {
      const std::size_t equals = word.find('=');
      if (equals == 0 || equals == std::string::npos)
        return Refuse(field, "holds \"" + Shown(word) + "\", should be NAME=VALUE");
      SetVariable(container, word.substr(0, equals), word.substr(equals + 1));
    }
  }

  void ReadHostConfig(v1::Container& container, const std::string& field, const Json& config) {
    for (const auto& [key, value] : config.items()) {
      const std::string path = field + "." + Shown(key);
      std::vector<std::string> words;
      if (key == "PortBindings") {
        ReadPorts(container, path, value);
      } else if (key == "Binds") {
        if (ReadWords(path, value, words)) ReadBinds(container, path, words);
      } else if (key == "Privileged") {
        if (value.is_boolean())
          container.mutable_security()->set_privileged(value.get<bool>());
        else
          WrongType(path, value, "true or false");
      } else if (key == "Memory") {
        if (const auto bytes = WholeNumber(path, value)) container.mutable_limits()->set_memory_bytes(*bytes);
      } else if (key == "NanoCpus") {
        if (const auto nanos = WholeNumber(path, value))
          container.mutable_limits()->set_cpu_milli((*nanos + 999'999) / 1'000'000);
      } else if (key == "CapAdd") {
        if (ReadCapabilities(path, value, words))
          for (const std::string& word : words) container.mutable_security()->add_add_capabilities(word);
      } else if (key == "CapDrop") {
        if (ReadCapabilities(path, value, words))
          for (const std::string& word : words) container.mutable_security()->add_drop_capabilities(word);
      } else {
        Ignore(path);
      }
    }
  }

  static bool IsPath(const std::string& text) {
    return !text.empty() && text.front() == '/' && text.size() <= kMaxPath &&
           text.find('\0') == std::string::npos;
  }

  /// As Kubernetes writes them: docker takes "CAP_NET_ADMIN" and "net_admin" for NET_ADMIN.
  bool ReadCapabilities(const std::string& field, const Json& value, std::vector<std::string>& names) {
    if (!ReadWords(field, value, names)) return false;
    for (std::string& name : names) {
      std::transform(name.begin(), name.end(), name.begin(),
                     [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
      if (name.starts_with("CAP_")) name.erase(0, 4);
      const bool known = !name.empty() && name.size() <= kMaxShown &&
                         name.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ_") == std::string::npos;
      if (known) continue;
      Refuse(field, "holds \"" + Shown(name) + "\", should be names as NET_ADMIN, or ALL");
      return false;
    }
    return true;
  }

  std::optional<std::int64_t> WholeNumber(const std::string& field, const Json& value) {
    constexpr std::int64_t kLargest = std::int64_t{1} << 50;
    if (value.is_number_integer() && value.get<std::int64_t>() > 0 && value.get<std::int64_t>() <= kLargest)
      return value.get<std::int64_t>();
    WrongType(field, value, "a whole number from 1 to " + std::to_string(kLargest));
    return std::nullopt;
  }

  /// {"27017/tcp": [{"HostPort": "27017", "HostIp": ""}]}
  void ReadPorts(v1::Container& container, const std::string& field, const Json& bindings) {
    if (!bindings.is_object()) return WrongType(field, bindings, "an object of ports");
    for (const auto& [port, hosts] : bindings.items()) {
      const std::string path = field + "[" + Shown(port) + "]";
      const std::size_t slash = port.find('/');
      const auto number = Port(port.substr(0, slash));
      std::string protocol = slash == std::string::npos ? "tcp" : port.substr(slash + 1);
      std::transform(protocol.begin(), protocol.end(), protocol.begin(),
                     [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
      if (!number || (protocol != "TCP" && protocol != "UDP" && protocol != "SCTP"))
        return Refuse(path, "should be PORT/tcp, PORT/udp or PORT/sctp");
      if (!hosts.is_array()) return WrongType(path, hosts, "a list of bindings");
      for (const Json& host : hosts) {
        const Json bound = host.is_object() ? host.value("HostPort", Json()) : Json();
        const auto host_port = bound.is_string() ? Port(bound.get<std::string>()) : std::nullopt;
        if (!host_port) return WrongType(path, host, "an object with HostPort from 1 to 65535 as text");
        v1::Port& out = *container.add_ports();
        out.set_container_port(*number);
        out.set_host_port(*host_port);
        out.set_protocol(protocol);
        const Json address = host.value("HostIp", Json());
        if (address.is_null() || address == "") continue;
        if (!address.is_string() || !IsAddress(address.get<std::string>()))
          return WrongType(path + ".HostIp", address, "an IP address");
        out.set_host_ip(address.get<std::string>());
      }
    }
  }

  static std::optional<int> Port(const std::string& text) {
    int port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (text.empty() || error != std::errc() || end != text.data() + text.size() || port < 1 ||
        port > kHighestPort)
      return std::nullopt;
    return port;
  }

  /// "/path/on/host:/path/in/container[:ro|:rw]"
  void ReadBinds(v1::Container& container, const std::string& field, const std::vector<std::string>& binds) {
    for (const std::string& bind : binds) {
      const std::size_t first = bind.find(':');
      const std::size_t second = first == std::string::npos ? first : bind.find(':', first + 1);
      const std::string from = bind.substr(0, first);
      const std::string to = first == std::string::npos ? "" : bind.substr(first + 1, second - first - 1);
      const std::string mode = second == std::string::npos ? "rw" : bind.substr(second + 1);
      if (!IsPath(from) || !IsPath(to) || (mode != "ro" && mode != "rw")) {
        return Refuse(
            field, "holds \"" + Shown(bind) +
                       "\", should be /HOST/PATH:/CONTAINER/PATH with :ro or nothing; named volumes are not "
                       "supported");
      }
      // No name of a pod's own volume has a dot.
      v1::Volume& volume = *workload_.add_volumes();
      volume.set_name("bind." + std::to_string(binds_++));
      volume.mutable_host_path()->set_path(from);
      v1::Mount& mount = *container.add_mounts();
      mount.set_volume(volume.name());
      mount.set_path(to);
      mount.set_read_only(mode == "ro");
    }
  }

  void ReadHub(const std::map<std::string, std::string>& data) {
    for (const auto& [key, value] : data) {
      const std::string field = "configmap/edgehub." + Shown(key);
      if (key != "desiredProperties") {
        Ignore(field);
        continue;
      }
      const Json document = Document(field, value);
      for (const auto& [name, property] : document.items()) {
        if (name != "routes") {
          if (name == "schemaVersion")
            ReadVersion(field, property);
          else
            Ignore(field + "." + Shown(name));
          continue;
        }
        if (!property.is_object()) {
          WrongType(field + ".routes", property, "an object of routes");
          continue;
        }
        for (const auto& [route, definition] : property.items()) {
          const bool known = definition.is_string() ||
                             (definition.is_object() && definition.value("route", Json()).is_string());
          if (!known) {
            WrongType(field + ".routes." + Shown(route), definition,
                      "a text, or an object with the text route");
          }
          out_.ignored_routes.push_back(Shown(route));
        }
      }
    }
  }

  void ReadVersion(const std::string& field, const Json& version) {
    if (!version.is_string()) WrongType(field + ".schemaVersion", version, "a text, as \"1.0\"");
  }

  void ReadAgent(const std::map<std::string, std::string>& data) {
    for (const auto& [key, value] : data) {
      const std::string field = "configmap/edgeagent." + Shown(key);
      if (key != "desiredProperties") {
        Ignore(field);
        continue;
      }
      Json document = Document(field, value);
      // Both the whole document of a device and its credentials alone are in use.
      const Json* credentials = &document;
      std::string path = field;
      for (const char* step : {"runtime", "settings", "registryCredentials"}) {
        const auto next = credentials->find(step);
        if (next == credentials->end()) continue;
        path += std::string(".") + step;
        if (!next->is_object()) return WrongType(path, *next, "an object");
        credentials = &*next;
      }
      if (path.ends_with(".registryCredentials")) ReadCredentials(path, *credentials);
      for (const auto& [name, property] : document.items()) {
        if (name == "schemaVersion")
          ReadVersion(field, property);
        else if (name != "runtime" && name != "registryCredentials")
          Ignore(field + "." + Shown(name));
      }
    }
  }

  void ReadCredentials(const std::string& field, const Json& credentials) {
    Json auths = Json::object();
    for (const auto& [name, entry] : credentials.items()) {
      const auto text = [&entry](const char* key) {
        const Json value = entry.is_object() ? entry.value(key, Json()) : Json();
        return value.is_string() ? value.get<std::string>() : std::string();
      };
      const std::string path = field + "." + Shown(name);
      if (!entry.is_object()) return Refuse(path, "should be an object with address, username and password");
      for (const char* key : {"address", "username", "password"}) {
        // Its value may be a password: only the key is named.
        if (text(key).empty()) return Refuse(path + "." + key, "should be a text and not empty");
      }
      if (text("address").size() > kMaxAddress ||
          text("address").find_first_of(" \t\r\n") != std::string::npos)
        return Refuse(path + ".address",
                      "is \"" + Shown(text("address")) + "\", should be HOST or HOST:PORT");
      auths[text("address")] = {{"auth", Base64Encode(text("username") + ":" + text("password"))}};
    }
    if (!auths.empty())
      out_.docker_config = Json{{"auths", auths}}.dump(-1, ' ', false, Json::error_handler_t::replace);
  }

  v1::Workload& workload_;
  ConnectorResult& out_;
  std::optional<v1::Refusal> refusal_;
  std::set<std::string> ignored_;
  int binds_ = 0;
};

}  // namespace

std::vector<std::string> ConnectorMapNames(const v1::Workload& workload) {
  std::vector<std::string> names = {"edgehub", "edgeagent"};
  for (const v1::Container& container : workload.containers()) names.push_back(container.name());
  return names;
}

std::optional<v1::Refusal> ApplyConnectorMaps(const ConnectorMaps& maps, v1::Workload& workload,
                                              ConnectorResult& out) {
  return Connector(workload, out).Run(maps);
}

}  // namespace slicelet::provider
