#include "provider/translate/connector_modules.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <nlohmann/json.hpp>

#include "common/base/ip_address.h"
#include "common/base/shown_text.h"
#include "provider/translate/parts.h"

namespace slicelet::provider {
namespace {

using Json = nlohmann::json;

constexpr int kHighestPort = 65'535;
/// PATH_MAX.
constexpr std::size_t kMaxPath = 4'095;

class ModuleSettings {
 public:
  ModuleSettings(v1::Workload& workload, ConnectorDocuments& documents)
      : workload_(workload), documents_(documents) {}

  void Read(v1::Container& container, const std::map<std::string, std::string>& data) {
    const std::string map = "configmap/" + container.name();
    for (const auto& [key, value] : data) {
      const std::string field = map + "." + ShownText(key);
      if (key == "createOptions") {
        ReadCreateOptions(container, field, documents_.Document(field, value));
      } else if (key == "desiredProperties") {
        const Json properties = documents_.Document(field, value);
        SetVariable(container, "DESIRED_PROPERTIES",
                    properties.dump(-1, ' ', false, Json::error_handler_t::replace));
      } else if (key == "restartPolicy") {
        ReadRestartPolicy(field, value);
      } else if (key == "status") {
        if (value == "stopped")
          documents_.Refuse(field,
                            "is \"stopped\", which slicelet does not do; scale the Deployment to 0 instead");
        else if (value != "running")
          documents_.Refuse(field, "is \"" + ShownText(value) + "\", should be running");
      } else if (key != "version") {
        documents_.Ignore(field);
      }
    }
  }

 private:
  /// on-failure and on-unhealthy restarted a module that ended with 0 too.
  void ReadRestartPolicy(const std::string& field, const std::string& value) {
    if (value == "always" || value == "on-failure" || value == "on-unhealthy") return;
    if (value != "never")
      return documents_.Refuse(
          field, "is \"" + ShownText(value) + "\", should be always, on-failure, on-unhealthy or never");
    if (workload_.restart_policy() != v1::RESTART_POLICY_NEVER)
      documents_.Refuse(field, "is \"never\", which needs spec.restartPolicy of the pod to be Never");
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
      documents_.WrongType(field, value, "a list of texts");
      return false;
    }
    for (const Json& word : list) {
      if (!word.is_string()) {
        documents_.WrongType(field, value, "a list of texts");
        return false;
      }
      if (word.get_ref<const std::string&>().find('\0') != std::string::npos) {
        documents_.WrongType(field, value, "a list of texts without the character 0");
        return false;
      }
      words.push_back(word.get<std::string>());
    }
    return true;
  }

  void ReadCreateOptions(v1::Container& container, const std::string& field, const Json& options) {
    for (const auto& [key, value] : options.items()) {
      const std::string path = field + "." + ShownText(key);
      std::vector<std::string> words;
      if (key == "Env") {
        if (ReadWords(path, value, words)) ReadEnvironment(container, path, words);
      } else if (key == "Cmd") {
        if (ReadWords(path, value, words)) container.mutable_args()->Assign(words.begin(), words.end());
      } else if (key == "Entrypoint") {
        if (ReadWords(path, value, words)) container.mutable_command()->Assign(words.begin(), words.end());
      } else if (key == "WorkingDir") {
        if (!value.is_string() || !IsPath(value.get<std::string>()))
          documents_.WrongType(path, value, "an absolute path");
        else
          container.set_working_dir(value.get<std::string>());
      } else if (key == "HostConfig") {
        if (value.is_object())
          ReadHostConfig(container, path, value);
        else
          documents_.WrongType(path, value, "an object");
      } else if (key != "ExposedPorts") {
        // Every port is reachable within the pod's network anyway.
        documents_.Ignore(path);
      }
    }
  }

  void ReadEnvironment(v1::Container& container, const std::string& field,
                       const std::vector<std::string>& words) {
    for (const std::string& word : words) {
      const std::size_t equals = word.find('=');
      if (equals == 0 || equals == std::string::npos)
        return documents_.Refuse(field, "holds \"" + ShownText(word) + "\", should be NAME=VALUE");
      SetVariable(container, word.substr(0, equals), word.substr(equals + 1));
    }
  }

  void ReadHostConfig(v1::Container& container, const std::string& field, const Json& config) {
    for (const auto& [key, value] : config.items()) {
      const std::string path = field + "." + ShownText(key);
      std::vector<std::string> words;
      if (key == "PortBindings") {
        ReadPorts(container, path, value);
      } else if (key == "Binds") {
        if (ReadWords(path, value, words)) ReadBinds(container, path, words);
      } else if (key == "Privileged") {
        if (value.is_boolean())
          container.mutable_security()->set_privileged(value.get<bool>());
        else
          documents_.WrongType(path, value, "true or false");
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
        documents_.Ignore(path);
      }
    }
  }

  static bool IsPath(const std::string& text) {
    return !text.empty() && text.front() == '/' && text.size() <= kMaxPath && IsInnerPath("." + text);
  }

  /// As Kubernetes writes them: docker takes "CAP_NET_ADMIN" and "net_admin" for NET_ADMIN.
  bool ReadCapabilities(const std::string& field, const Json& value, std::vector<std::string>& names) {
    if (!ReadWords(field, value, names)) return false;
    for (std::string& name : names) {
      std::transform(name.begin(), name.end(), name.begin(),
                     [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
      if (name.starts_with("CAP_")) name.erase(0, 4);
      const bool known = !name.empty() && name.size() <= kMostShown &&
                         name.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ_") == std::string::npos;
      if (known) continue;
      documents_.Refuse(field, "holds \"" + ShownText(name) + "\", should be names as NET_ADMIN, or ALL");
      return false;
    }
    return true;
  }

  std::optional<std::int64_t> WholeNumber(const std::string& field, const Json& value) {
    constexpr std::int64_t kLargest = std::int64_t{1} << 50;
    if (value.is_number_integer() && value.get<std::int64_t>() > 0 && value.get<std::int64_t>() <= kLargest)
      return value.get<std::int64_t>();
    documents_.WrongType(field, value, "a whole number from 1 to " + std::to_string(kLargest));
    return std::nullopt;
  }

  /// {"27017/tcp": [{"HostPort": "27017", "HostIp": ""}]}
  void ReadPorts(v1::Container& container, const std::string& field, const Json& bindings) {
    if (!bindings.is_object()) return documents_.WrongType(field, bindings, "an object of ports");
    for (const auto& [port, hosts] : bindings.items()) {
      const std::string path = field + "[" + ShownText(port) + "]";
      const std::size_t slash = port.find('/');
      const auto number = Port(port.substr(0, slash));
      std::string protocol = slash == std::string::npos ? "tcp" : port.substr(slash + 1);
      std::transform(protocol.begin(), protocol.end(), protocol.begin(),
                     [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
      if (!number || (protocol != "TCP" && protocol != "UDP" && protocol != "SCTP"))
        return documents_.Refuse(path, "should be PORT/tcp, PORT/udp or PORT/sctp");
      if (!hosts.is_array()) return documents_.WrongType(path, hosts, "a list of bindings");
      for (const Json& host : hosts) {
        const Json bound = host.is_object() ? host.value("HostPort", Json()) : Json();
        const auto host_port = bound.is_string() ? Port(bound.get<std::string>()) : std::nullopt;
        if (!host_port)
          return documents_.WrongType(path, host, "an object with HostPort from 1 to 65535 as text");
        v1::Port& out = *container.add_ports();
        out.set_container_port(*number);
        out.set_host_port(*host_port);
        out.set_protocol(protocol);
        const Json address = host.value("HostIp", Json());
        if (address.is_null() || address == Json("")) continue;
        if (!address.is_string() || !IsIpAddress(address.get<std::string>()))
          return documents_.WrongType(path + ".HostIp", address, "an IP address");
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
        return documents_.Refuse(
            field, "holds \"" + ShownText(bind) +
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

  v1::Workload& workload_;
  ConnectorDocuments& documents_;
  int binds_ = 0;
};

}  // namespace

void ApplyModuleSettings(const ConnectorMaps& maps, v1::Workload& workload, ConnectorDocuments& documents) {
  ModuleSettings settings(workload, documents);
  for (v1::Container& container : *workload.mutable_containers()) {
    const auto map = maps.find(container.name());
    if (map != maps.end()) settings.Read(container, map->second);
  }
}

}  // namespace slicelet::provider
