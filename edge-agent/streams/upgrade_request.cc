#include "edge-agent/streams/upgrade_request.h"

#include <algorithm>
#include <cctype>

namespace slicelet::agent {
namespace {

constexpr int kMaxHeaders = 32;
constexpr std::size_t kMaxHeaderBytes = std::size_t{8} * 1024;
constexpr std::size_t kMaxUrlBytes = std::size_t{4} * 1024;

/// RFC 9110 field-name.
bool IsToken(const std::string& text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 ||
           std::string("!#$%&'*+-.^_`|~").find(static_cast<char>(c)) != std::string::npos;
  });
}

bool IsValue(const std::string& text) {
  return std::none_of(text.begin(), text.end(),
                      [](unsigned char c) { return (c < 0x20 && c != '\t') || c == 0x7f; });
}

/// What an upgrade needs, and nothing that could change which request it is.
bool IsForwarded(const std::string& name) {
  return name == "connection" || name == "upgrade" || name == "x-stream-protocol-version" ||
         name.rfind("sec-websocket-", 0) == 0 || name == "user-agent" || name == "origin";
}

}  // namespace

absl::StatusOr<StreamingUrl> ParseStreamingUrl(const std::string& url) {
  constexpr char kScheme[] = "http://";
  if (url.size() > kMaxUrlBytes || url.rfind(kScheme, 0) != 0) {
    return absl::InvalidArgumentError(
        "the runtime's streaming server must speak plain http on this host, its URL begins with " +
        url.substr(0, url.find("://") == std::string::npos ? 0 : url.find("://")));
  }
  const auto begin = sizeof(kScheme) - 1;
  const auto slash = url.find('/', begin);
  if (slash == std::string::npos || !IsValue(url) || url.find(' ') != std::string::npos) {
    return absl::InvalidArgumentError("the runtime's streaming URL has no path");
  }
  const std::string authority = url.substr(begin, slash - begin);
  const auto colon = authority.rfind(':');
  StreamingUrl parsed;
  parsed.target = url.substr(slash);
  parsed.host = authority.substr(0, colon);
  parsed.port = colon == std::string::npos ? "80" : authority.substr(colon + 1);
  if (parsed.host.size() > 2 && parsed.host.front() == '[')
    parsed.host = parsed.host.substr(1, parsed.host.size() - 2);
  if (parsed.host.empty() || parsed.port.empty() ||
      parsed.port.find_first_not_of("0123456789") != std::string::npos) {
    return absl::InvalidArgumentError("the runtime's streaming URL names no host and port");
  }
  return parsed;
}

absl::StatusOr<std::string> MakeUpgradeRequest(const StreamingUrl& url, const v1::UpgradeTarget& target) {
  const std::string method = target.method().empty() ? "POST" : target.method();
  if (method != "POST" && method != "GET") {
    return absl::InvalidArgumentError("method: \"" + method + "\" is neither GET nor POST");
  }
  if (target.headers_size() > kMaxHeaders) return absl::InvalidArgumentError("headers: too many");
  std::string request =
      method + " " + url.target + " HTTP/1.1\r\nhost: " + url.host + ":" + url.port + "\r\n";
  for (const auto& header : target.headers()) {
    std::string name = header.name();
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
    if (!IsToken(name) || !IsValue(header.value()) || header.value().size() > kMaxHeaderBytes) {
      return absl::InvalidArgumentError("headers: \"" + name.substr(0, 64) + "\" is not a header");
    }
    if (IsForwarded(name)) request += name + ": " + header.value() + "\r\n";
  }
  if (method == "POST") request += "content-length: 0\r\n";
  return request + "\r\n";
}

}  // namespace slicelet::agent
