#pragma once

#include <string>
#include <vector>

namespace slicelet::agent {

/// What the hub may ask of this host. Everything that reaches out of a container is denied unless listed
/// here; the host's owner decides, not the hub.
struct HostPolicy {
  bool privileged = false;
  bool host_network = true;
  bool host_pid = false;
  bool host_ipc = false;
  /// A hostPath volume must lie at or below one of these.
  std::vector<std::string> host_path_prefixes;
};

}  // namespace slicelet::agent
