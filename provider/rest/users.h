#pragma once

#include <map>
#include <string>

#include "common/base/file_system.h"
#include "common/base/time.h"

namespace slicelet::provider {

enum class Role {
  kViewer,    // may look
  kOperator,  // may change
};

/// "viewer" or "operator".
std::string RoleName(Role role);

struct RestUser {
  std::string name;
  Role role = Role::kViewer;
  std::string password_hash;
};

using RestUsers = std::map<std::string, RestUser>;

/// Lines of NAME:ROLE:HASH; empty ones and those that begin with # count nothing. InvalidArgument names the
/// line and never shows a hash.
absl::StatusOr<RestUsers> ParseUsers(const std::string& text);

/// The users as their file names them now: read again when it was last read long enough ago. While it can not
/// be read, the last that could counts, and the log says why.
class UsersFile {
 public:
  static constexpr std::uint64_t kMaxBytes = std::uint64_t{256} << 10;
  static constexpr std::size_t kMaxUsers = 1'000;
  static constexpr Duration kReadAgain = std::chrono::seconds(10);

  /// `files` must outlive it.
  UsersFile(FileSystem& files, std::string path) : files_(files), path_(std::move(path)) {}

  /// Errors name the file.
  absl::Status Read(MonotonicTime now);
  /// Null: there is no such user (any more).
  const RestUser* Find(const std::string& name, MonotonicTime now);

 private:
  FileSystem& files_;
  const std::string path_;
  RestUsers users_;
  MonotonicTime read_at_{};
};

}  // namespace slicelet::provider
