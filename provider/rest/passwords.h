#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "common/base/random.h"
#include "common/base/status.h"
#include "common/loop/loop.h"

namespace slicelet::provider {

/// How dear one try of a password is: scrypt (RFC 7914) with N = 2^log_n, about 30 MB and 0.1 s.
struct PasswordCost {
  int log_n = 15;
  int r = 8;
  int p = 1;
};

/// "$scrypt$ln=15,r=8,p=1$SALT$KEY", salt and key in hexadecimal.
absl::StatusOr<std::string> HashPassword(std::string_view password, Random& random, PasswordCost cost = {});

/// InvalidArgument for what HashPassword did not write, or for a cost beyond reason. Never tells the hash.
absl::Status CheckPasswordHash(const std::string& hash);

/// Whether the hash is that password's. Takes as long as the hash is dear.
bool IsPassword(std::string_view password, const std::string& hash);

/// Tries passwords away from the loop.
class PasswordChecker {
 public:
  virtual ~PasswordChecker() = default;
  /// `done` comes on the loop. False, and `done` is never called, when too many wait already.
  virtual bool Check(std::string password, std::string hash, std::function<void(bool)> done) = 0;
};

/// How many passwords may wait for their turn.
inline constexpr std::size_t kMaxWaitingPasswords = 16;

/// On one thread of its own. `loop` must outlive it.
std::unique_ptr<PasswordChecker> MakePasswordChecker(Loop& loop);

}  // namespace slicelet::provider
