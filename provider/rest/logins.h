#pragma once

#include <memory>
#include <string>

#include "common/loop/loop.h"
#include "provider/rest/passwords.h"
#include "provider/rest/rate_limit.h"
#include "provider/rest/routes.h"
#include "provider/rest/sessions.h"
#include "provider/rest/users.h"

namespace slicelet::provider {

/// Who may come in: logins, tokens, and what they are worth now.
class Logins {
 public:
  /// Logins that fail, per address and per user: ten at once, then one every ten seconds.
  static constexpr RateLimit::Options kAttempts{0.1, 10};

  /// Who a token belongs to, as the users file has it now.
  struct Holder {
    std::string user;
    Role role = Role::kViewer;
  };

  /// All must outlive it.
  Logins(Loop& loop, UsersFile& users, PasswordChecker& checker, Random& random, Duration lifetime)
      : loop_(loop), users_(users), checker_(checker), sessions_(random, lifetime) {}

  /// Null: the token is nobody's, has expired, or its user has gone or has another password.
  [[nodiscard]] std::optional<Holder> HolderOf(const std::string& token);

  /// POST /v1/login and /v1/logout, and the orchestrator's login.
  std::vector<RestRoute> Routes();

 private:
  /// Answers with what `show` makes of a new session.
  void Login(const RestCall& call, const RestReply& reply,
             std::function<Json(const std::string& token, const RestUser& user)> show);

  Loop& loop_;
  UsersFile& users_;
  PasswordChecker& checker_;
  Sessions sessions_;
  RateLimit by_address_{kAttempts};
  RateLimit by_user_{kAttempts};
  Lifetime lifetime_;
};

/// 429 with how long to wait.
RestAnswer RefuseTooMany(const std::string& error, Duration wait);

}  // namespace slicelet::provider
