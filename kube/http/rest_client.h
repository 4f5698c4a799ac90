#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "common/base/status.h"
#include "common/base/time.h"
#include "common/loop/loop.h"
#include "kube/http/kube_config.h"
#include "kube/kube_api.h"

namespace slicelet::kube {

/// The part of the HTTP client that knows cpprestsdk: one request or one stream, no policy. All callbacks
/// arrive on the loop, none after destruction; that holds although the library's threads may be at work a
/// while longer.
class RestClient {
 public:
  struct Request {
    std::string method;
    std::string target;        // path and query, encoded
    std::string content_type;  // of the body
    std::string body;
    std::string token;  // empty: no Authorization header
    /// Bytes that are left for the pages of one list, of which this answer takes its part; null: the answer
    /// is on its own, and has the configuration's bound.
    std::shared_ptr<std::size_t> budget{};
  };

  /// A body being read. Destroying it closes its connection. It may outlive the client.
  class Stream {
   public:
    virtual ~Stream() = default;
  };
  struct StreamHandler {
    std::function<void(std::vector<Json>&)> on_objects;
    std::function<void(absl::Status)> on_end;
  };

  RestClient(const KubeConfig& config, Loop& loop);
  ~RestClient();

  /// ResourceExhausted for an answer above its bound, Unavailable when none came in time.
  void Send(const Request& request, Callback<Json> done);
  /// GET of newline-separated objects.
  std::unique_ptr<Stream> Open(const Request& request, StreamHandler handler);
  /// No answer is awaited; streams do not count.
  [[nodiscard]] bool idle() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace slicelet::kube
