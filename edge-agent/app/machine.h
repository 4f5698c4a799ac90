#pragma once

#include <string>

#include "common/base/file_system.h"
#include "slicelet/v1/link.pb.h"

namespace slicelet::agent {

/// What this machine is, as a node object shows it; what can not be found out stays empty. `root` lies on the
/// disk that pods use. `address` overrides the one of the default route.
v1::NodeFacts DescribeMachine(FileSystem& files, const std::string& root, const std::string& address,
                              int max_pods);

/// The first line of a small file, or "".
std::string FirstLine(FileSystem& files, const std::string& path);

}  // namespace slicelet::agent
