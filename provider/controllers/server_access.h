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

/// `dialect` and `domain`: as in an IotServer's spec; `endpoints`: as in its status. The others must outlive
/// it.
std::unique_ptr<IotServer> OpenIotServer(const std::string& dialect, const std::string& domain,
                                         const Json& endpoints, const ServerLogin& login, Loop& loop,
                                         HttpClient& http);

}  // namespace slicelet::provider
