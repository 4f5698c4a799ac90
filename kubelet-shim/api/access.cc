#include "kubelet-shim/api/access.h"

#include <algorithm>

#include "kubelet-shim/api/cluster_access.h"

namespace slicelet::shim {
namespace {

bool Contains(const std::vector<std::string>& list, const std::string& value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

}  // namespace

absl::Status Authorize(const AccessRules& rules, const HttpRequest& request) {
  const auto& peer = request.peer;
  if (!peer.verified) return absl::UnauthenticatedError("Unauthorized");
  if (Contains(rules.users, peer.common_name)) return absl::OkStatus();
  for (const auto& group : peer.organizations) {
    if (Contains(rules.groups, group)) return absl::OkStatus();
  }
  return absl::PermissionDeniedError("Forbidden (user=" + peer.common_name + ", verb=" +
                                     VerbOf(request.method) + ", resource=nodes, subresource(s)=[proxy])");
}

}  // namespace slicelet::shim
