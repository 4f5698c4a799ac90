#pragma once

#include <string>
#include <utility>
#include <vector>

#include "common/base/status.h"

namespace slicelet {

/// Requests to HTTP servers that are not the API server.
class HttpClient {
 public:
  struct Request {
    std::string method;
    /// http or https, with path and query, encoded.
    std::string url;
    /// JSON, "" for none.
    std::string body;
    std::vector<std::pair<std::string, std::string>> headers{};
    /// PEM; https: the authorities to trust instead of the client's own; "" for those.
    std::string ca{};
  };
  struct Answer {
    int status = 0;
    /// The header of that name, "" without one.
    std::string location{};
    std::string body{};
  };

  virtual ~HttpClient() = default;
  /// An answer with any status is OK; Unavailable when none came in time, InvalidArgument for a bad URL.
  /// `done` comes later, on the loop, and not after this object's destruction.
  virtual void Send(const Request& request, Callback<Answer> done) = 0;
};

}  // namespace slicelet
