#pragma once

#include <map>
#include <string>

#include "common/http/http_server.h"
#include "common/tls/pki.h"

namespace slicelet::shim {

/// One listener per slice node, on the lowest free port of a range.
class NodeListeners {
 public:
  struct Options {
    /// Numeric.
    std::string listen;
    int first_port = 0;
    int ports = 0;
  };

  NodeListeners(HttpServer& server, Options options) : server_(server), options_(std::move(options)) {}

  /// Opens the node's listener, or gives the one that is open the new certificate. Returns its port.
  /// ResourceExhausted when every port of the range is taken.
  absl::StatusOr<int> Open(const std::string& node, const CertificateAndKey& serving);
  void Close(const std::string& node);

 private:
  [[nodiscard]] bool Ours(int port) const;

  HttpServer& server_;
  const Options options_;
  std::map<std::string, int> open_;
};

}  // namespace slicelet::shim
