#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "common/loop/loop.h"
#include "common/rest/http_client.h"

namespace slicelet {

/// What a server may cost that is slow, broken or hostile.
struct RestLimits {
  /// Bytes of one answer's body; lists of things and channels are far below it.
  std::size_t answer = std::size_t{4} << 20;
  /// Until a whole answer has come.
  Duration whole = std::chrono::seconds(60);
};

/// With cpprestsdk. Connections are kept for the next request; redirects are not followed. `loop` must
/// outlive it. Trusts the authorities of `ca_pem`, or the system's when it is empty.
std::unique_ptr<HttpClient> MakeRestHttpClient(Loop& loop, const std::string& ca_pem = "",
                                               RestLimits limits = {});

}  // namespace slicelet
