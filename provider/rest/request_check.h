#pragma once

#include <optional>

#include "common/http/http_server.h"
#include "provider/rest/routes.h"

namespace slicelet::provider {

/// Whether a request fits what its route documents: parameters of the path (in `call` already) and of the
/// query, no others, the headers that it documents, and the body. Fills `call`; else returns the refusal,
/// with every value that is wrong.
std::optional<RestAnswer> CheckRequest(const RestRoute& route, const HttpRequest& request,
                                       std::size_t max_body, const Json& components, RestCall& call);

}  // namespace slicelet::provider
