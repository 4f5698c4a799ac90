#pragma once

#include <string>

#include "provider/controllers/settings.h"
#include "provider/controllers/world.h"

namespace slicelet::provider {

/// The pod of an IotServer of profile mainflux-classic on `host`, without a name: Mainflux 0.12 with its
/// database, cache and brokers. Needs the Secret below.
Json ServerPod(const Json& server, const std::string& host, const ControllerSettings& settings);

/// A Secret with what its parts tell one another: members "database", "messages", "signing" and "admin".
std::string ServerKeysOf(const Json& server);

/// The Secret with "email" and "password" of the user in whose name gateways are attached: the given one, or
/// that which is made when none is given.
std::string CredentialsOf(const Json& server);
bool HasOwnCredentials(const Json& server);

/// What is in a Secret that is made: an address that no mail reaches.
std::string UserOf(const Json& server);

/// Where others reach it by its host's address: members users, things, auth, access and mqtt.
Json ClassicEndpoints(const Json& server, const std::string& address);

}  // namespace slicelet::provider
