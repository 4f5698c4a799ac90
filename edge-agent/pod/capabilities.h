#pragma once

#include <string>

namespace slicelet::agent {

/// A capability as the policy and Kubernetes name it: "CAP_NET_ADMIN" and "net_admin" are NET_ADMIN, as the
/// runtime takes them.
std::string CapabilityName(const std::string& text);

/// A capability of Linux (capabilities(7)), or "ALL".
bool IsCapability(const std::string& name);

/// One that the runtime gives to every container that does not drop it, so that adding it gives nothing.
bool IsGivenAnyway(const std::string& name);

}  // namespace slicelet::agent
