#include "provider/app/access.h"

#include <algorithm>

namespace slicelet::provider {
namespace {

bool Contains(const std::vector<std::string>& list, const std::string& value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

}  // namespace

absl::Status AllowHost(const std::string& hub_id, const RpcPeer& peer) {
  const auto uri = "spiffe://" + hub_id + "/host/" + peer.common_name;
  if (!peer.common_name.empty() && Contains(peer.uris, uri)) return absl::OkStatus();
  return absl::PermissionDeniedError("the certificate of \"" + peer.common_name +
                                     "\" is not one of a host of hub " + hub_id);
}

absl::Status AllowGroup(const std::string& group, const RpcPeer& peer) {
  if (Contains(peer.organizations, group)) return absl::OkStatus();
  return absl::PermissionDeniedError("the certificate of \"" + peer.common_name +
                                     "\" does not have O=" + group);
}

}  // namespace slicelet::provider
