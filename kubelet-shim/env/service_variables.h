#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

namespace slicelet::shim {

/// What environment variables need of a Service.
struct ServiceAddress {
  struct Port {
    std::string name;
    std::string protocol;  // TCP, UDP, SCTP
    int port = 0;
  };

  std::string ns;
  std::string name;
  std::string cluster_ip;
  std::vector<Port> ports;

  friend bool operator==(const ServiceAddress&, const ServiceAddress&) = default;
};
bool operator==(const ServiceAddress::Port& a, const ServiceAddress::Port& b);

/// Empty for a Service without a cluster IP, which gives no variables.
std::optional<ServiceAddress> ParseService(const nlohmann::json& service);

/// The kubelet's service variables for a pod in `ns`: the services of its namespace when `links`, and
/// default/kubernetes always (the namespace's own "kubernetes" wins over it).
std::map<std::string, std::string> ServiceVariables(const std::vector<ServiceAddress>& services,
                                                    const std::string& ns, bool links);

}  // namespace slicelet::shim
