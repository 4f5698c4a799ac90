#pragma once

#include <memory>
#include <string>

#include "common/loop/loop.h"
#include "common/rest/http_client.h"

namespace slicelet {

/// With cpprestsdk. Connections are kept for the next request; redirects are not followed. `loop` must
/// outlive it. Trusts the authorities of `ca_pem`, or the system's when it is empty.
std::unique_ptr<HttpClient> MakeRestHttpClient(Loop& loop, const std::string& ca_pem = "");

}  // namespace slicelet
