#include "provider/rest/logins.h"

#include <algorithm>
#include <utility>

#include "common/log/log.h"

namespace slicelet::provider {
namespace {

/// Tried for users that do not exist, so that they take as long as those that do.
constexpr char kNobodysHash[] =
    "$scrypt$ln=15,r=8,p=1$00000000000000000000000000000000$"
    "0000000000000000000000000000000000000000000000000000000000000000";

RestAnswer RefuseLogin() {
  RestAnswer answer = Refuse({.status = 401,
                              .reason = "WrongCredentials",
                              .error = "the user name or the password is wrong",
                              .remedy = "users are lines of the file that adminRest.users names"});
  answer.headers.emplace_back("WWW-Authenticate", "Bearer");
  return answer;
}

}  // namespace

RestAnswer RefuseTooMany(const std::string& error, Duration wait) {
  const auto seconds = std::max<std::int64_t>(1, std::chrono::ceil<std::chrono::seconds>(wait).count());
  RestAnswer answer = Refuse({.status = 429,
                              .reason = "TooManyRequests",
                              .error = error,
                              .remedy = "try again after " + std::to_string(seconds) + " s"});
  answer.headers.emplace_back("Retry-After", std::to_string(seconds));
  return answer;
}

std::optional<Logins::Holder> Logins::HolderOf(const std::string& token) {
  const MonotonicTime now = loop_.Now();
  const Session* session = sessions_.Find(token, now);
  if (session == nullptr) return std::nullopt;
  const RestUser* user = users_.Find(session->user, now);
  if (user == nullptr || user->password_hash != session->password_hash) {
    sessions_.Close(token);
    return std::nullopt;
  }
  return Holder{user->name, user->role};
}

void Logins::Login(const RestCall& call, const RestReply& reply,
                   std::function<Json(const std::string& token, const RestUser& user)> show) {
  const std::string name = call.body["username"].get<std::string>();
  const std::string address = AddressKey(call.address);
  const MonotonicTime now = loop_.Now();
  Duration wait = by_address_.Take(address, now);
  if (wait == Duration::zero()) {
    wait = by_user_.Take(name, now);
    if (wait > Duration::zero()) by_address_.GiveBack(address);
  }
  if (wait > Duration::zero()) return reply(RefuseTooMany("too many logins have failed", wait));
  const RestUser* known = users_.Find(name, now);
  const std::string hash = known == nullptr ? kNobodysHash : known->password_hash;
  const bool waits = checker_.Check(
      call.body["password"].get<std::string>(), hash,
      lifetime_.Guard([this, name, hash, address, client = call.address, reply,
                       show = std::move(show)](bool right) {
        const RestUser* user = users_.Find(name, loop_.Now());
        // What is no user's name may be a password that was typed into the wrong field.
        if (!right || user == nullptr || user->password_hash != hash) {
          LogWarning("admin login refused", {{"user", user == nullptr ? "-" : name}, {"address", client}});
          return reply(RefuseLogin());
        }
        by_address_.GiveBack(address);
        by_user_.GiveBack(name);
        LogInfo("admin login", {{"user", name}, {"role", RoleName(user->role)}, {"address", client}});
        const std::string token = sessions_.Open(*user, loop_.Now());
        reply({.body = show(token, *user), .headers = {{"Cache-Control", "no-store"}}});
      }));
  if (waits) return;
  by_address_.GiveBack(address);
  by_user_.GiveBack(name);
  reply(RefuseTooMany("too many logins wait", std::chrono::seconds(1)));
}

std::vector<RestRoute> Logins::Routes() {
  std::vector<RestRoute> routes;
  routes.push_back({.method = "POST",
                    .path = "/v1/login",
                    .id = "login",
                    .tag = "access",
                    .summary = "A bearer token for a user name and a password.",
                    .access = Access::kEverybody,
                    .request = "Login",
                    .answer = "Session",
                    .handle = [this](const RestCall& call, const RestReply& reply) {
                      Login(call, reply, [this](const std::string& token, const RestUser& user) -> Json {
                        const auto seconds =
                            std::chrono::duration_cast<std::chrono::seconds>(sessions_.lifetime());
                        return {{"token", token},
                                {"user", user.name},
                                {"role", RoleName(user.role)},
                                {"expiresInSeconds", seconds.count()}};
                      });
                    }});
  routes.push_back({.method = "POST",
                    .path = "/v1/logout",
                    .id = "logout",
                    .tag = "access",
                    .summary = "Ends the token that it is asked with.",
                    .success = 204,
                    .handle = [this](const RestCall& call, const RestReply& reply) {
                      sessions_.Close(call.token);
                      reply({.status = 204});
                    }});
  routes.push_back({.method = "POST",
                    .path = "/compat/v3/api/login/tokens",
                    .id = "compatLogin",
                    .tag = "compat",
                    .summary = "As /v1/login. The token goes into header Token, or Authorization.",
                    .access = Access::kEverybody,
                    .request = "Login",
                    .answer = "CompatSession",
                    .handle = [this](const RestCall& call, const RestReply& reply) {
                      Login(call, reply, [](const std::string& token, const RestUser&) -> Json {
                        return {{"token", token}};
                      });
                    }});
  return routes;
}

}  // namespace slicelet::provider
