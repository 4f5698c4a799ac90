#include "kube/http/server_address.h"

#include <cpprest/base_uri.h>

#include <limits>

namespace slicelet::kube {
namespace {

/// Empty: nothing.
std::string WrongWith(const std::string& address) {
  try {
    const web::uri uri(address);
    if (uri.scheme() != "https") return "an https:// address is needed";
    const std::string& host = uri.host();
    if (host.empty()) return "it names no host";
    // What is no port stays with the host.
    if (host.front() == '[' ? host.back() != ']' : host.find(':') != std::string::npos)
      return "no such host or port";
    if (uri.port() < 0 || uri.port() > std::numeric_limits<std::uint16_t>::max()) return "no such port";
    if (!uri.user_info().empty() || !uri.query().empty() || !uri.fragment().empty())
      return "it may have a host, a port and a path";
    return "";
  } catch (const std::exception& e) {
    return e.what();
  }
}

}  // namespace

absl::Status CheckServerAddress(const std::string& address) {
  const std::string wrong = WrongWith(address);
  if (wrong.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError("\"" + address + "\": " + wrong);
}

}  // namespace slicelet::kube
