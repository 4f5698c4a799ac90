#pragma once

#include <cstdint>
#include <string>

#include "common/base/status.h"

namespace slicelet::agent {

/// Requests to the core-metadata of a gateway on this host.
class MetadataClient {
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

  virtual ~MetadataClient() = default;
  /// An answer with any HTTP status is OK; Unavailable when none came in time.
  virtual void Send(const Endpoint& endpoint, const Request& request, Callback<Answer> done) = 0;
};

}  // namespace slicelet::agent
