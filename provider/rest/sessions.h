#pragma once

#include <map>
#include <optional>
#include <string>

#include "common/base/ids.h"
#include "common/base/random.h"
#include "common/base/time.h"
#include "provider/rest/users.h"

namespace slicelet::provider {

/// Who holds a token.
struct Session {
  std::string user;
  /// As it was at the login: who has changed the password has ended the tokens.
  std::string password_hash;
  MonotonicTime expires{};
  std::uint64_t number = 0;
};

/// The bearer tokens that were given out. In memory only: after a restart everybody logs in again. A token is
/// known by its SHA-256, so that how long a look-up takes tells nothing of it.
class Sessions {
 public:
  /// Of one user; the oldest goes for a new one.
  static constexpr std::size_t kMaxOfOneUser = 32;

  /// `random` must be fit for keys.
  Sessions(Random& random, Duration lifetime) : random_(random), lifetime_(lifetime) {}

  /// A new token of this user.
  std::string Open(const RestUser& user, MonotonicTime now);
  /// Null: nobody's, or it has expired.
  const Session* Find(const std::string& token, MonotonicTime now);
  void Close(const std::string& token);
  [[nodiscard]] Duration lifetime() const { return lifetime_; }
  [[nodiscard]] std::size_t size() const { return sessions_.size(); }

 private:
  Random& random_;
  const Duration lifetime_;
  std::map<Digest, Session> sessions_;
  std::uint64_t opened_ = 0;
};

}  // namespace slicelet::provider
