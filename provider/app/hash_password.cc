#include "provider/app/hash_password.h"

#include <termios.h>
#include <unistd.h>

#include <iostream>

#include "provider/rest/passwords.h"

namespace slicelet::provider {
namespace {

/// Of /v1/login.
constexpr std::size_t kMaxPassword = 256;

/// While it lives, what is typed is not shown.
class HiddenInput {
 public:
  HiddenInput() : hidden_(tcgetattr(STDIN_FILENO, &before_) == 0) {
    if (!hidden_) return;
    termios quiet = before_;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
    std::cerr << "Password: " << std::flush;
  }
  ~HiddenInput() {
    if (!hidden_) return;
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
    std::cerr << std::endl;
  }
  HiddenInput(const HiddenInput&) = delete;
  HiddenInput& operator=(const HiddenInput&) = delete;

 private:
  termios before_{};
  bool hidden_;
};

}  // namespace

absl::StatusOr<std::string> HashPasswordOfInput() {
  std::string password;
  {
    const HiddenInput hidden;
    std::getline(std::cin, password);
  }
  if (!password.empty() && password.back() == '\r') password.pop_back();
  if (password.empty() || password.size() > kMaxPassword) {
    return absl::InvalidArgumentError("a password has 1 to " + std::to_string(kMaxPassword) + " bytes");
  }
  SystemRandom random;
  return HashPassword(password, random);
}

}  // namespace slicelet::provider
