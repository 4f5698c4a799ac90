#pragma once

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "common/json/json.h"
#include "common/loop/loop.h"
#include "common/rest/http_client.h"

namespace slicelet::provider {

/// Every Mainflux 0.12 there is, as far as its users log in: one set of users behind all addresses.
class FakeMainflux : public HttpClient {
 public:
  explicit FakeMainflux(Loop& loop) : loop_(loop) {}

  void Send(const Request& request, Callback<Answer> done) override {
    loop_.Post([answer = Handle(request), done = std::move(done)] { done(answer); });
  }

  /// Passwords by e-mail address.
  std::map<std::string, std::string> users;
  bool away = false;
  /// Refuses what is right, as Mainflux does then.
  bool auth_down = false;
  int made = 0;
  /// What a login is answered with; those that were given before are good no more.
  std::string token = "token";

 private:
  absl::StatusOr<Answer> Handle(const Request& request) {
    const auto ends = [&](const std::string& end) {
      return request.url.size() >= end.size() &&
             request.url.compare(request.url.size() - end.size(), end.size(), end) == 0;
    };
    if (away || (auth_down && ends(":8189/version")))
      return absl::UnavailableError("no answer from " + request.url);
    if (ends("/version")) return Answer{.status = 200};
    const Json body = ParseJson(request.body).value_or(Json());
    const std::string email = GetString(body, "/email");
    if (ends("/users")) {
      // Magistrala's way.
      std::string password = GetString(body, "/credentials/secret");
      if (password.empty()) password = GetString(body, "/password");
      const bool is_new = users.emplace(email, password).second;
      made += is_new ? 1 : 0;
      return Answer{.status = is_new ? 201 : 409};
    }
    if (ends("/tokens")) {
      if (auth_down) return Answer{.status = 400};
      const auto user = users.find(email);
      if (user == users.end() || user->second != GetString(body, "/password")) return Answer{.status = 403};
      return Answer{.status = 201, .body = DumpJson({{"token", token}})};
    }
    const bool authorized = std::any_of(
        request.headers.begin(), request.headers.end(),
        [&](const auto& header) { return header.first == "Authorization" && header.second == token; });
    if (auth_down || !authorized) return Answer{.status = 401};
    return Answer{.status = 200,
                  .body = DumpJson({{"total", 0}, {"things", Json::array()}, {"channels", Json::array()}})};
  }

  Loop& loop_;
};

}  // namespace slicelet::provider
