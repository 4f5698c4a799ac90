#pragma once

#include <string>
#include <vector>

#include "common/base/file_system.h"
#include "slicelet/v1/link.pb.h"

namespace slicelet::agent {

/// The machine's own address now, given the one it had `before`: that of the default route; without such a
/// route (no router, no network yet) see `ChooseAddress`. "" while it has none.
std::string FindAddress(const std::string& before);

/// Whether an interface of the machine has this address now. True for what is no address, and
/// when the kernel does not tell.
bool HasAddress(const std::string& address);

/// An IPv4 address of an interface that is up.
struct InterfaceAddress {
  std::string address;
  /// Link-local, or of a bridge for containers: the machine is not known by it if there is any other.
  bool poor = false;
};

/// `before` while an interface has it; else the first that is not poor. A poor one never replaces another: a
/// host whose cable is pulled does not become known by its bridge.
std::string ChooseAddress(const std::vector<InterfaceAddress>& interfaces, const std::string& before);

/// What this machine is, as a node object shows it; what can not be found out stays empty. `root` lies on the
/// disk that pods use. `address` overrides the one of the default route.
v1::NodeFacts DescribeMachine(FileSystem& files, const std::string& root, const std::string& address,
                              int max_pods);

/// The first line of a small file, or "".
std::string FirstLine(FileSystem& files, const std::string& path);

}  // namespace slicelet::agent
