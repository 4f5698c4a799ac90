#pragma once

#include <cstdint>
#include <string>

#include "common/base/status.h"

namespace slicelet::agent {

/// Requests to the EdgeX services of a gateway on this host.
class EdgexClient {
 public:
  struct Endpoint {
    std::string host;
    std::int32_t port = 0;

    friend bool operator==(const Endpoint&, const Endpoint&) = default;
  };
  struct Request {
    std::string method;
    /// With its query, encoded.
    std::string target;
    /// JSON, "" for none.
    std::string body;
  };
  struct Answer {
    int status = 0;
    std::string body;
  };

  virtual ~EdgexClient() = default;
  /// An answer with any HTTP status is OK; Unavailable when none came in time, ResourceExhausted for one that
  /// is too large.
  virtual void Send(const Endpoint& endpoint, const Request& request, Callback<Answer> done) = 0;
};

}  // namespace slicelet::agent
