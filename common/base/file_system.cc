#include "common/base/file_system.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <limits>

namespace slicelet {
namespace {

/// What lies deeper is moved up first: stack and descriptors have an end.
constexpr int kMaxTreeDepth = 64;
/// linux/magic.h
constexpr long kTmpfsMagic = 0x01021994;

absl::Status ErrnoStatus(int error, const std::string& what, const std::string& path) {
  const std::string message = what + " " + path + ": " + std::strerror(error);
  switch (error) {
    case ENOENT:
      return absl::NotFoundError(message);
    case EEXIST:
    case ENOTEMPTY:
      return absl::AlreadyExistsError(message);
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::PermissionDeniedError(message);
    case ENOSPC:
    case EDQUOT:
      return absl::ResourceExhaustedError(message);
    default:
      return absl::InternalError(message);
  }
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() { Close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] bool open() const { return fd_ >= 0; }
  int Close() {
    const int result = fd_ >= 0 ? close(fd_) : 0;
    fd_ = -1;
    return result;
  }

 private:
  int fd_;
};

std::string ParentOf(const std::string& path) {
  const auto slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

/// A name beside `path` that no other call uses: the process and a counter.
std::string TemporaryBeside(const std::string& path) {
  static std::uint64_t counter = 0;
  return path + ".tmp-" + std::to_string(getpid()) + "-" +
         std::to_string(__atomic_add_fetch(&counter, 1, __ATOMIC_RELAXED));
}

/// Makes a rename or a new name survive a power cut.
absl::Status SyncDirectory(const std::string& path) {
  const Descriptor directory(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.open()) return ErrnoStatus(errno, "cannot open", path);
  if (fsync(directory.get()) != 0 && errno != EINVAL) return ErrnoStatus(errno, "cannot sync", path);
  return absl::OkStatus();
}

absl::Status WriteAll(int fd, std::string_view data, const std::string& path) {
  while (!data.empty()) {
    const ssize_t written = write(fd, data.data(), data.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return ErrnoStatus(errno, "cannot write", path);
    }
    data.remove_prefix(static_cast<std::size_t>(written));
  }
  return absl::OkStatus();
}

/// The directory whose content is removed; what lies too deep for our stack and descriptors is moved up into
/// it.
struct Tree {
  int top = -1;
  int moved = 0;
  /// So many entries may still be removed or moved.
  std::uint64_t left = 0;
};

absl::Status MoveUp(Tree& tree, int directory, const std::string& name, const std::string& path) {
  for (;;) {
    const std::string above = ".deep-" + std::to_string(getpid()) + "-" + std::to_string(tree.moved++);
    if (renameat(directory, name.c_str(), tree.top, above.c_str()) == 0 || errno == ENOENT)
      return absl::OkStatus();
    if (errno != EEXIST && errno != ENOTEMPTY && errno != ENOTDIR)
      return ErrnoStatus(errno, "cannot move", path);
  }
}

/// Removes what the directory `fd` holds, as long as `tree.left` lasts. Takes ownership of `fd`.
absl::Status RemoveContents(int fd, const std::string& path, int depth, Tree& tree) {
  if (depth == 0) tree.top = fd;
  DIR* directory = fdopendir(fd);
  if (directory == nullptr) {
    const int error = errno;
    close(fd);
    return ErrnoStatus(error, "cannot list", path);
  }
  absl::Status result;
  while (tree.left > 0) {
    const dirent* entry = readdir(directory);
    if (entry == nullptr) break;
    const std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    if (unlinkat(dirfd(directory), name.c_str(), 0) == 0) {
      --tree.left;
      continue;
    }
    if (errno == ENOENT) continue;
    const std::string child = path + "/" + name;
    if (errno != EISDIR && errno != EPERM) {
      result = ErrnoStatus(errno, "cannot remove", child);
      break;
    }
    if (depth >= kMaxTreeDepth) {
      result = MoveUp(tree, dirfd(directory), name, child);
      if (!result.ok()) break;
      --tree.left;
      continue;
    }
    const int below = openat(dirfd(directory), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (below < 0) {
      if (errno == ENOENT) continue;
      result = ErrnoStatus(errno, "cannot open", child);
      break;
    }
    result = RemoveContents(below, child, depth + 1, tree);
    if (!result.ok() || tree.left == 0) break;
    --tree.left;
    if (unlinkat(dirfd(directory), name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT) {
      result = ErrnoStatus(errno, "cannot remove", child);
      break;
    }
  }
  closedir(directory);
  return result;
}

FileSystem::Kind KindOf(mode_t mode) {
  if (S_ISREG(mode)) return FileSystem::Kind::kFile;
  if (S_ISDIR(mode)) return FileSystem::Kind::kDirectory;
  if (S_ISLNK(mode)) return FileSystem::Kind::kSymlink;
  if (S_ISSOCK(mode)) return FileSystem::Kind::kSocket;
  if (S_ISCHR(mode)) return FileSystem::Kind::kCharDevice;
  if (S_ISBLK(mode)) return FileSystem::Kind::kBlockDevice;
  return FileSystem::Kind::kOther;
}

class SystemFileSystem : public FileSystem {
 public:
  absl::StatusOr<std::string> Read(const std::string& path, std::uint64_t limit) override {
    // Without waiting for the other end of a pipe, or becoming a terminal's.
    const Descriptor file(open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    struct stat info{};
    if (!file.open() || fstat(file.get(), &info) != 0) return ErrnoStatus(errno, "cannot read", path);
    if (!S_ISREG(info.st_mode))
      return absl::FailedPreconditionError("cannot read " + path + ": not a regular file");
    std::string data;
    char buffer[16'384];
    for (;;) {
      const ssize_t got = read(file.get(), buffer, sizeof(buffer));
      if (got < 0) {
        if (errno == EINTR) continue;
        return ErrnoStatus(errno, "cannot read", path);
      }
      if (got == 0) return data;
      if (data.size() + static_cast<std::size_t>(got) > limit) {
        return absl::InternalError("cannot read " + path + ": larger than " + std::to_string(limit) +
                                   " bytes");
      }
      data.append(buffer, static_cast<std::size_t>(got));
    }
  }

  absl::Status WriteAtomically(const std::string& path, std::string_view data, std::uint32_t mode) override {
    const std::string temporary = TemporaryBeside(path);
    absl::Status status = WriteNew(temporary, data, mode);
    if (status.ok() && rename(temporary.c_str(), path.c_str()) != 0) {
      status = ErrnoStatus(errno, "cannot replace", path);
    }
    if (!status.ok()) {
      unlink(temporary.c_str());
      return status;
    }
    return SyncDirectory(ParentOf(path));
  }

  absl::Status MakeDirectories(const std::string& path, std::uint32_t mode) override {
    for (std::size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
      const std::string part = path.substr(0, end);
      if (mkdir(part.c_str(), mode) == 0) {
        // mkdir's mode passes through the umask; the caller's word counts.
        if (chmod(part.c_str(), mode) != 0) return ErrnoStatus(errno, "cannot set the mode of", part);
      } else if (errno == EEXIST) {
        struct stat info{};
        if (stat(part.c_str(), &info) != 0) return ErrnoStatus(errno, "cannot look at", part);
        if (!S_ISDIR(info.st_mode)) {
          return absl::AlreadyExistsError("cannot create directory " + part + ": something else is there");
        }
      } else {
        return ErrnoStatus(errno, "cannot create directory", part);
      }
      if (end == std::string::npos) return absl::OkStatus();
    }
  }

  absl::Status RemoveAll(const std::string& path) override {
    return RemoveSome(path, std::numeric_limits<std::uint64_t>::max()).status();
  }

  absl::StatusOr<bool> RemoveSome(const std::string& path, std::uint64_t most) override {
    if (unlink(path.c_str()) == 0 || errno == ENOENT || errno == ENOTDIR) return true;
    if (errno != EISDIR && errno != EPERM) return ErrnoStatus(errno, "cannot remove", path);
    Tree tree{.left = most};
    do {
      tree.moved = 0;
      const int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
      if (fd < 0 && errno == ENOENT) return true;
      if (fd < 0) return ErrnoStatus(errno, "cannot remove", path);
      SLICELET_RETURN_IF_ERROR(RemoveContents(fd, path, 0, tree));
    } while (tree.moved > 0 && tree.left > 0);
    if (tree.left == 0) return false;
    if (rmdir(path.c_str()) != 0 && errno != ENOENT) return ErrnoStatus(errno, "cannot remove", path);
    return true;
  }

  absl::Status SwapSymlink(const std::string& target, const std::string& path) override {
    const std::string temporary = TemporaryBeside(path);
    if (symlink(target.c_str(), temporary.c_str()) != 0) return ErrnoStatus(errno, "cannot link", temporary);
    if (rename(temporary.c_str(), path.c_str()) != 0) {
      const int error = errno;
      unlink(temporary.c_str());
      return ErrnoStatus(error, "cannot replace", path);
    }
    return SyncDirectory(ParentOf(path));
  }

  absl::StatusOr<std::string> ReadSymlink(const std::string& path) override {
    char target[4'096];
    const ssize_t length = readlink(path.c_str(), target, sizeof(target));
    if (length < 0) return ErrnoStatus(errno, "cannot read link", path);
    return std::string(target, static_cast<std::size_t>(length));
  }

  absl::Status Rename(const std::string& from, const std::string& to) override {
    if (rename(from.c_str(), to.c_str()) != 0) return ErrnoStatus(errno, "cannot rename " + from + " to", to);
    return SyncDirectory(ParentOf(to));
  }

  absl::Status SetOwner(const std::string& path, std::int64_t user, std::int64_t group) override {
    if (lchown(path.c_str(), static_cast<uid_t>(user), static_cast<gid_t>(group)) != 0) {
      return ErrnoStatus(errno, "cannot set the owner of", path);
    }
    return absl::OkStatus();
  }

  absl::Status SetMode(const std::string& path, std::uint32_t mode) override {
    if (chmod(path.c_str(), mode) != 0) return ErrnoStatus(errno, "cannot set the mode of", path);
    return absl::OkStatus();
  }

  absl::StatusOr<Info> Stat(const std::string& path) override {
    struct stat info{};
    if (lstat(path.c_str(), &info) != 0) return ErrnoStatus(errno, "cannot look at", path);
    return Info{.kind = KindOf(info.st_mode),
                .size = static_cast<std::uint64_t>(info.st_size),
                .mode = static_cast<std::uint32_t>(info.st_mode & 07777)};
  }

  absl::StatusOr<std::vector<std::string>> List(const std::string& path) override {
    DIR* directory = opendir(path.c_str());
    if (directory == nullptr) return ErrnoStatus(errno, "cannot list", path);
    std::vector<std::string> names;
    while (const dirent* entry = readdir(directory)) {
      const std::string name = entry->d_name;
      if (name != "." && name != "..") names.push_back(name);
    }
    closedir(directory);
    std::sort(names.begin(), names.end());
    return names;
  }

  absl::StatusOr<Space> FreeSpace(const std::string& path) override {
    struct statvfs info{};
    if (statvfs(path.c_str(), &info) != 0) return ErrnoStatus(errno, "cannot look at the disk of", path);
    return Space{.total = static_cast<std::uint64_t>(info.f_blocks) * info.f_frsize,
                 .available = static_cast<std::uint64_t>(info.f_bavail) * info.f_frsize};
  }

  absl::Status MountTmpfs(const std::string& path, std::uint64_t size) override {
    if (IsTmpfsMount(path)) return absl::OkStatus();
    std::string options = "mode=0777";
    if (size > 0) options += ",size=" + std::to_string(size);
    if (mount("tmpfs", path.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, options.c_str()) != 0) {
      return ErrnoStatus(errno, "cannot mount tmpfs at", path);
    }
    return absl::OkStatus();
  }

  absl::Status Unmount(const std::string& path) override {
    // EINVAL: nothing is mounted there, which is what was asked for.
    if (umount2(path.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) != 0 && errno != EINVAL && errno != ENOENT) {
      return ErrnoStatus(errno, "cannot unmount", path);
    }
    return absl::OkStatus();
  }

 private:
  static absl::Status WriteNew(const std::string& path, std::string_view data, std::uint32_t mode) {
    Descriptor file(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file.open()) return ErrnoStatus(errno, "cannot create", path);
    SLICELET_RETURN_IF_ERROR(WriteAll(file.get(), data, path));
    if (fchmod(file.get(), mode) != 0) return ErrnoStatus(errno, "cannot set the mode of", path);
    if (fsync(file.get()) != 0) return ErrnoStatus(errno, "cannot sync", path);
    if (file.Close() != 0) return ErrnoStatus(errno, "cannot close", path);
    return absl::OkStatus();
  }

  /// A tmpfs whose root is `path`: its device differs from the parent's.
  static bool IsTmpfsMount(const std::string& path) {
    struct statfs info{};
    struct stat self{};
    struct stat parent{};
    return statfs(path.c_str(), &info) == 0 && info.f_type == kTmpfsMagic && stat(path.c_str(), &self) == 0 &&
           stat(ParentOf(path).c_str(), &parent) == 0 && self.st_dev != parent.st_dev;
  }
};

}  // namespace

std::unique_ptr<FileSystem> MakeSystemFileSystem() { return std::make_unique<SystemFileSystem>(); }

}  // namespace slicelet
