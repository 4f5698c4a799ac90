#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/status.h"

namespace slicelet {

/// The one seam to the disk. Paths are absolute. Errors: NotFound, AlreadyExists, PermissionDenied,
/// ResourceExhausted (disk full), else Internal; each message names the path.
class FileSystem {
 public:
  enum class Kind { kFile, kDirectory, kSymlink, kSocket, kCharDevice, kBlockDevice, kOther };
  struct Info {
    Kind kind = Kind::kFile;
    std::uint64_t size = 0;
    std::uint32_t mode = 0;
  };
  struct Space {
    std::uint64_t total = 0;
    std::uint64_t available = 0;
  };

  virtual ~FileSystem() = default;

  virtual absl::StatusOr<std::string> Read(const std::string& path, std::uint64_t limit) = 0;
  /// Writes a temporary file beside `path`, syncs it and renames it over: a reader sees the old or the new
  /// content.
  virtual absl::Status WriteAtomically(const std::string& path, std::string_view data,
                                       std::uint32_t mode) = 0;
  /// Creates parents too. An existing directory is not an error and keeps its mode.
  virtual absl::Status MakeDirectories(const std::string& path, std::uint32_t mode) = 0;
  /// Removes a file, a link or a whole tree; what does not exist is not an error. Never follows links.
  virtual absl::Status RemoveAll(const std::string& path) = 0;
  /// As `RemoveAll`, but no more than `most` entries of the tree: true when nothing is left.
  virtual absl::StatusOr<bool> RemoveSome(const std::string& path, std::uint64_t most) = 0;
  /// Replaces `path` by a symbolic link to `target`, atomically.
  virtual absl::Status SwapSymlink(const std::string& target, const std::string& path) = 0;
  virtual absl::StatusOr<std::string> ReadSymlink(const std::string& path) = 0;
  virtual absl::Status Rename(const std::string& from, const std::string& to) = 0;
  virtual absl::Status SetOwner(const std::string& path, std::int64_t user, std::int64_t group) = 0;
  virtual absl::Status SetMode(const std::string& path, std::uint32_t mode) = 0;
  /// Does not follow links.
  virtual absl::StatusOr<Info> Stat(const std::string& path) = 0;
  /// Names only, sorted.
  virtual absl::StatusOr<std::vector<std::string>> List(const std::string& path) = 0;
  virtual absl::StatusOr<Space> FreeSpace(const std::string& path) = 0;
  /// tmpfs of at most `size` bytes (0: the kernel's default) for emptyDir.medium Memory; idempotent.
  virtual absl::Status MountTmpfs(const std::string& path, std::uint64_t size) = 0;
  virtual absl::Status Unmount(const std::string& path) = 0;
};

/// The operating system's.
std::unique_ptr<FileSystem> MakeSystemFileSystem();

}  // namespace slicelet
