#pragma once

#include <memory>
#include <optional>
#include <string>

#include "provider/attach/iot_server.h"
#include "provider/controllers/world.h"

namespace slicelet::provider {

/// What a Secret's keys email and password hold, without the newline that a file ends with. Nothing when one
/// of them is missing.
std::optional<ServerLogin> LoginOf(const Json& secret);

/// PEM authorities of an IotServer whose endpoints speak TLS; "" for the system's.
std::string AuthoritiesOf(const Json& server);

/// `dialect` and `domain`: as in an IotServer's spec; `endpoints`: as in its status; `ca`: `AuthoritiesOf`.
/// The others must outlive it.
std::unique_ptr<IotServer> OpenIotServer(const std::string& dialect, const std::string& domain,
                                         const Json& endpoints, const std::string& ca,
                                         const ServerLogin& login, Loop& loop, HttpClient& http);

}  // namespace slicelet::provider
