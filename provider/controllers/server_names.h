#pragma once

#include <string>

#include "provider/controllers/world.h"

namespace slicelet::provider {

/// On a pod of ours: names of its hosts file, as provider/translate reads them, "ADDRESS=NAME,NAME; ...". Not
/// part of what the pod was made of: it changes while the pod runs, and a container sees it from its next
/// start.
inline constexpr char kHostAliasesAnnotation[] = "slicelet.io/host-aliases";

/// As many servers are named at most, the first by name: provider/translate takes twice as many addresses.
inline constexpr int kMostNamedServers = 128;

/// Adds the IotServers of a namespace to the pod's annotation, under the names that Services have: "iot",
/// "iot.north", "iot.north.svc" and "iot.north.svc.cluster.local". Names that the pod gives to something else
/// stay its own. A server whose address is no IP address, or not known, is left out: a hosts file can not
/// hold it.
void NameServers(const World& world, const std::string& ns, Json& pod);

}  // namespace slicelet::provider
