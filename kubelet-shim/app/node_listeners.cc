#include "kubelet-shim/app/node_listeners.h"

#include <algorithm>

namespace slicelet::shim {

absl::StatusOr<int> NodeListeners::Open(const std::string& node, const CertificateAndKey& serving) {
  if (const auto it = open_.find(node); it != open_.end()) {
    SLICELET_RETURN_IF_ERROR(server_.SetCertificate(node, serving.certificate_pem, serving.key_pem));
    return it->second;
  }
  absl::Status last = absl::OkStatus();
  for (int port = options_.first_port; port < options_.first_port + options_.ports; ++port) {
    if (Ours(port)) continue;
    const auto opened = server_.Listen({.name = node,
                                        .address = options_.listen,
                                        .port = port,
                                        .certificate_pem = serving.certificate_pem,
                                        .key_pem = serving.key_pem});
    if (opened.ok()) {
      open_[node] = port;
      return port;
    }
    // Another program may have this one; a bad certificate or address is bad on every port.
    if (!absl::IsUnavailable(opened.status())) return opened.status();
    last = opened.status();
  }
  return absl::ResourceExhaustedError("no free port from " + std::to_string(options_.first_port) + " on, " +
                                      std::to_string(options_.ports) + " tried, for node " + node +
                                      (last.ok() ? "" : ": " + Message(last)));
}

void NodeListeners::Close(const std::string& node) {
  if (open_.erase(node) == 1) server_.StopListening(node);
}

bool NodeListeners::Ours(int port) const {
  return std::any_of(open_.begin(), open_.end(), [port](const auto& entry) { return entry.second == port; });
}

}  // namespace slicelet::shim
