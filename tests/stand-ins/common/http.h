#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace slicelet::stand_ins {

struct Endpoint {
  std::string host;
  int port = 0;
};

struct HttpRequest {
  std::string method;
  std::string path;  // decoded, without the query
  std::map<std::string, std::string> query;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;

  /// A header by its name in lower case; "" when it was not sent.
  [[nodiscard]] std::string Header(const std::string& name) const;

  /// The path's parts below `prefix` ("/api/v3/device"); nullopt when it is not below it.
  [[nodiscard]] std::optional<std::vector<std::string>> Below(const std::string& prefix) const;
};

struct HttpResponse {
  int status = 200;
  std::string body;
  std::map<std::string, std::string> headers = {};  // beside type and length
};

using HttpHandler = std::function<std::optional<HttpResponse>(const HttpRequest&)>;

/// Listens on all addresses and answers each connection's one request on a thread of its own. Returns only
/// when the port can not be opened.
void ServeHttp(int port, const HttpHandler& handler);

/// One request with these headers beside type and length; nullopt when nobody answered in time. Headers of
/// the answer are not kept.
std::optional<HttpResponse> Fetch(const Endpoint& endpoint, const std::string& method,
                                  const std::string& path, const std::string& body = "",
                                  const std::map<std::string, std::string>& headers = {});

/// A TCP connection with limits to how long it waits; -1 when nobody takes it.
int Connect(const Endpoint& endpoint);

std::string UrlDecode(const std::string& text);

}  // namespace slicelet::stand_ins
