#include "kubelet-shim/env/service_variables.h"

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>

#include "kube/object.h"

namespace slicelet::shim {
namespace {

std::string Upper(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return c == '-' ? '_' : static_cast<char>(std::toupper(c)); });
  return text;
}

std::string Lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

std::string UrlOf(const ServiceAddress::Port& port, const std::string& host) {
  return Lower(port.protocol) + "://" + host + ":" + std::to_string(port.port);
}

void AddPort(const std::string& name, const std::string& address, const std::string& host,
             const ServiceAddress::Port& port, std::map<std::string, std::string>& into) {
  const std::string number = std::to_string(port.port);
  const std::string prefix = name + "_PORT_" + number + "_" + Upper(port.protocol);
  into[prefix] = UrlOf(port, host);
  into[prefix + "_PROTO"] = Lower(port.protocol);
  into[prefix + "_PORT"] = number;
  into[prefix + "_ADDR"] = address;
}

void AddVariables(const ServiceAddress& service, std::map<std::string, std::string>& into) {
  if (service.ports.empty()) return;
  const std::string name = Upper(service.name);
  const bool ipv6 = service.cluster_ip.find(':') != std::string::npos;
  const std::string host = ipv6 ? "[" + service.cluster_ip + "]" : service.cluster_ip;

  into[name + "_SERVICE_HOST"] = service.cluster_ip;
  into[name + "_SERVICE_PORT"] = std::to_string(service.ports.front().port);
  for (const auto& port : service.ports) {
    if (!port.name.empty()) into[name + "_SERVICE_PORT_" + Upper(port.name)] = std::to_string(port.port);
  }

  into[name + "_PORT"] = UrlOf(service.ports.front(), host);
  for (const auto& port : service.ports) AddPort(name, service.cluster_ip, host, port, into);
}

}  // namespace

bool operator==(const ServiceAddress::Port& a, const ServiceAddress::Port& b) {
  return a.name == b.name && a.protocol == b.protocol && a.port == b.port;
}

std::optional<ServiceAddress> ParseService(const nlohmann::json& service) {
  ServiceAddress address{.ns = kube::NamespaceOf(service),
                         .name = kube::NameOf(service),
                         .cluster_ip = kube::TextAt(service, {"spec", "clusterIP"}),
                         .ports = {}};
  if (address.cluster_ip.empty() || address.cluster_ip == "None") return std::nullopt;
  const nlohmann::json* ports = kube::Find(service, {"spec", "ports"});
  if (ports != nullptr && ports->is_array()) {
    for (const auto& port : *ports) {
      std::string protocol = kube::TextAt(port, {"protocol"});
      address.ports.push_back({.name = kube::TextAt(port, {"name"}),
                               .protocol = protocol.empty() ? "TCP" : std::move(protocol),
                               .port = static_cast<int>(kube::IntegerAt(port, {"port"}, 0))});
    }
  }
  return address;
}

std::map<std::string, std::string> ServiceVariables(const std::vector<ServiceAddress>& services,
                                                    const std::string& ns, bool links) {
  // A Service of the pod's own namespace replaces the master service of the same name.
  std::map<std::string, const ServiceAddress*> chosen;
  for (const auto& service : services) {
    if (service.ns == "default" && service.name == "kubernetes") chosen.emplace(service.name, &service);
    if (links && service.ns == ns) chosen[service.name] = &service;
  }
  std::map<std::string, std::string> variables;
  for (const auto& [name, service] : chosen) AddVariables(*service, variables);
  return variables;
}

}  // namespace slicelet::shim
