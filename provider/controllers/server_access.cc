#include "provider/controllers/server_access.h"

#include "common/base/encoding.h"
#include "kube/object.h"

namespace slicelet::provider {
namespace {

/// "" without it.
std::string Decoded(const Json& secret, const char* key) {
  std::string text = Base64Decode(kube::TextAt(secret, {"data", key})).value_or("");
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

}  // namespace

std::optional<ServerLogin> LoginOf(const Json& secret) {
  ServerLogin login{.user = Decoded(secret, "email"), .password = Decoded(secret, "password")};
  if (login.user.empty() || login.password.empty()) return std::nullopt;
  return login;
}

std::string AuthoritiesOf(const Json& server) { return kube::TextAt(server, {"spec", "tls", "caBundle"}); }

std::unique_ptr<IotServer> OpenIotServer(const std::string& dialect, const std::string& domain,
                                         const Json& endpoints, const std::string& ca,
                                         const ServerLogin& login, Loop& loop, HttpClient& http) {
  const auto at = [&](const char* part) { return kube::TextAt(endpoints, {part}); };
  const ServerAddress address{.users = at("users"),
                              .things = at("things"),
                              .auth = at("auth"),
                              .access = at("access"),
                              .domain = domain,
                              .ca = ca};
  return MakeIotServer(dialect == "magistrala" ? ServerDialect::kMagistrala : ServerDialect::kClassic, loop,
                       http, address, login);
}

}  // namespace slicelet::provider
