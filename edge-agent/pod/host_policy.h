#pragma once

#include <set>
#include <string>
#include <vector>

namespace slicelet::agent {

/// What the hub may ask of this host. What reaches out of a container is denied unless allowed here, but for
/// the host's network, which is allowed unless denied here; the host's owner decides, not the hub.
struct HostPolicy {
  /// Privileged containers, and with them all that is left out of `capabilities` and `unconfined`.
  bool privileged = false;
  /// The host's network namespace.
  bool host_network = true;
  /// Ports of the host that lead to a pod in a network of its own.
  bool host_ports = true;
  bool host_pid = false;
  bool host_ipc = false;
  /// What a container may add (NET_ADMIN, without "CAP_"), besides what the runtime gives to each of them.
  std::set<std::string> capabilities;
  /// Containers without a seccomp profile.
  bool unconfined = false;
  /// A hostPath volume must lie at or below one of these.
  std::vector<std::string> host_path_prefixes;
};

}  // namespace slicelet::agent
