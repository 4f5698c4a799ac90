#pragma once

#include <string>
#include <vector>

#include "common/http/http_server.h"

namespace slicelet::shim {

/// Who may use the kubelet API without the cluster being asked: holders of certificates that the client CA
/// vouches for.
struct AccessRules {
  /// CNs. In a cluster: of the API server's kubelet client certificate.
  std::vector<std::string> users;
  /// O entries.
  std::vector<std::string> groups;
};

/// Unauthenticated without a verified certificate, PermissionDenied (with user, verb and resource, as the
/// kubelet says it) when neither its name nor one of its groups is listed.
absl::Status Authorize(const AccessRules& rules, const HttpRequest& request);

}  // namespace slicelet::shim
