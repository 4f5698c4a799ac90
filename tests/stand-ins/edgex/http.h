#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace slicelet::edgex {

struct Endpoint {
  std::string host;
  int port = 0;
};

struct HttpRequest {
  std::string method;
  std::string path;  // decoded, without the query
  std::map<std::string, std::string> query;
  std::string body;

  /// The path's parts below `prefix` ("/api/v3/device"); nullopt when it is not below it.
  [[nodiscard]] std::optional<std::vector<std::string>> Below(const std::string& prefix) const;
};

struct HttpResponse {
  int status = 200;
  std::string body;
};

using HttpHandler = std::function<std::optional<HttpResponse>(const HttpRequest&)>;

/// Listens on all addresses and answers each connection's one request on a thread of its own. Returns only
/// when the port can not be opened.
void ServeHttp(int port, const HttpHandler& handler);

/// One request; nullopt when nobody answered in time.
std::optional<HttpResponse> Fetch(const Endpoint& endpoint, const std::string& method,
                                  const std::string& path, const std::string& body = "");

std::string UrlDecode(const std::string& text);

}  // namespace slicelet::edgex
