#include "provider/rest/users.h"

#include <sstream>

#include "common/log/log.h"
#include "provider/rest/passwords.h"

namespace slicelet::provider {
namespace {

constexpr std::size_t kMaxName = 64;

bool IsUserName(const std::string& name) {
  static constexpr char kAllowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._@-";
  return !name.empty() && name.size() <= kMaxName && name.find_first_not_of(kAllowed) == std::string::npos;
}

absl::StatusOr<RestUser> ParseUser(const std::string& line) {
  const auto first = line.find(':');
  const auto second = first == std::string::npos ? first : line.find(':', first + 1);
  if (second == std::string::npos) return absl::InvalidArgumentError("is not NAME:ROLE:HASH");
  RestUser user{.name = line.substr(0, first), .password_hash = line.substr(second + 1)};
  if (!IsUserName(user.name)) {
    return absl::InvalidArgumentError("the name must be 1 to 64 letters, digits or . _ @ -");
  }
  const std::string role = line.substr(first + 1, second - first - 1);
  if (role != "viewer" && role != "operator") {
    return absl::InvalidArgumentError("the role of " + user.name + " is not viewer or operator");
  }
  user.role = role == "operator" ? Role::kOperator : Role::kViewer;
  SLICELET_RETURN_IF_ERROR(CheckPasswordHash(user.password_hash));
  return user;
}

}  // namespace

std::string RoleName(Role role) { return role == Role::kOperator ? "operator" : "viewer"; }

absl::StatusOr<RestUsers> ParseUsers(const std::string& text) {
  RestUsers users;
  std::istringstream lines(text);
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.empty() || line.front() == '#') continue;
    const std::string where = "line " + std::to_string(number);
    auto user = ParseUser(line);
    if (!user.ok()) return WithContext(user.status(), where);
    if (users.size() >= UsersFile::kMaxUsers) {
      return absl::InvalidArgumentError(where + ": more than " + std::to_string(UsersFile::kMaxUsers) +
                                        " users");
    }
    const std::string name = user->name;
    if (!users.emplace(name, *std::move(user)).second) {
      return absl::InvalidArgumentError(where + ": user " + name + " is there twice");
    }
  }
  return users;
}

absl::Status UsersFile::Read(MonotonicTime now) {
  read_at_ = now;
  const auto text = files_.Read(path_, kMaxBytes);
  if (!text.ok()) return text.status();
  auto users = ParseUsers(*text);
  if (!users.ok()) return WithContext(users.status(), path_);
  users_ = *std::move(users);
  return absl::OkStatus();
}

const RestUser* UsersFile::Find(const std::string& name, MonotonicTime now) {
  if (now - read_at_ >= kReadAgain) {
    const absl::Status status = Read(now);
    if (!status.ok()) LogWarning("the users of before are kept", {{"why", Message(status)}});
  }
  const auto it = users_.find(name);
  return it == users_.end() ? nullptr : &it->second;
}

}  // namespace slicelet::provider
