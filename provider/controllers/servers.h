#pragma once

#include <memory>
#include <string>

#include "provider/controllers/classic_server.h"
#include "provider/controllers/controller.h"
#include "provider/controllers/settings.h"

namespace slicelet::provider {

/// IotServer: one of profile mainflux-classic is a pod (`ClassicServer`); one that is run by others (profile
/// external) is adopted: its addresses are told, nothing is made but its user. `random` makes passwords, and
/// must outlive it.
std::unique_ptr<Controller> MakeServerController(const ControllerSettings& settings, Random& random,
                                                 const UserReports& users);

/// Whether the gateway is or is to be attached to this server, or has left something there.
bool UsesServer(const Json& gateway, const std::string& server);

/// Where gateways publish to a server of profile external, SCHEME://HOST:PORT: what its endpoints say, else
/// port 1883 of its host.
std::string MqttAddressOf(const Json& server);

/// "https://iot.example.com:8443/api" -> "iot.example.com"; what the schema takes has a scheme and a host.
std::string HostOfUrl(const std::string& url);

/// status.endpoints of a server of profile external: users, things, auth, access and mqtt; "" for what nobody
/// knows.
Json EndpointsOf(const Json& server);

}  // namespace slicelet::provider
