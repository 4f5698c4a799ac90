#include "common/sqlite/open.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>

#include "common/log/log.h"

namespace slicelet::sqlite {
namespace {

constexpr int kMaxDamagedCopies = 100;
constexpr std::size_t kHeaderBytes = 100;
/// The index of the log takes 32 KiB, and more with a long log.
constexpr off_t kReserveBytes = off_t{256} << 10;

absl::StatusOr<std::shared_ptr<void>> Lock(const std::string& path) {
  const std::string name = path + ".lock";
  const int fd = open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return absl::InternalError(name + ": " + std::strerror(errno));
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    close(fd);
    return absl::FailedPreconditionError(path + ": in use by another process");
  }
  return std::shared_ptr<void>(new int(fd), [](void* held) {
    const std::unique_ptr<int> descriptor(static_cast<int*>(held));
    close(*descriptor);
  });
}

absl::Status Migrate(Database& database, const std::vector<std::string>& migrations, bool& created) {
  std::int64_t version = 0;
  {
    SLICELET_ASSIGN_OR_RETURN(Statement read, database.Prepare("PRAGMA user_version"));
    SLICELET_ASSIGN_OR_RETURN(const bool row, read.Step());
    if (row) version = read.Int(0);
  }
  const auto newest = static_cast<std::int64_t>(migrations.size());
  if (version > newest) {
    return absl::FailedPreconditionError(database.path() + ": made by a newer version of slicelet (schema " +
                                         std::to_string(version) + ", this one knows " +
                                         std::to_string(newest) + "); run that version or restore a backup");
  }
  created = version == 0;
  for (; version < newest; ++version) {
    const std::string sql = "BEGIN IMMEDIATE; " + migrations[static_cast<std::size_t>(version)] +
                            "; PRAGMA user_version=" + std::to_string(version + 1) + "; COMMIT";
    SLICELET_RETURN_IF_ERROR(database.Execute(sql));
  }
  return absl::OkStatus();
}

// SQLite takes what is shorter than one page for an empty file, and nobody would hear of what was lost.
absl::Status CheckLength(const std::string& path) {
  struct stat info{};
  if (stat(path.c_str(), &info) != 0 || info.st_size == 0) return absl::OkStatus();
  const auto size = static_cast<std::uint64_t>(info.st_size);
  // After a crash the file is made whole from these.
  for (const char* suffix : {"-wal", "-journal"}) {
    if (stat((path + suffix).c_str(), &info) == 0 && info.st_size > 0) return absl::OkStatus();
  }
  std::array<char, kHeaderBytes> header{};
  std::ifstream(path, std::ios::binary).read(header.data(), header.size());
  const auto byte = [&header](std::size_t i) { return static_cast<unsigned char>(header.at(i)); };
  // At offset 16, big-endian; 1 stands for 65536 (sqlite.org/fileformat.html, 1.3.2).
  std::uint64_t page = (std::uint64_t{byte(16)} << 8U) | byte(17);
  if (page == 1) page = 65'536;
  if (size >= kHeaderBytes && page != 0 && size % page == 0) return absl::OkStatus();
  return absl::DataLossError(path + ": truncated: its " + std::to_string(size) + " bytes are no whole pages");
}

absl::StatusOr<Opened> TryOpen(const std::string& path, const std::vector<std::string>& migrations,
                               const std::function<absl::Status(Database&)>& load) {
  Opened opened;
  SLICELET_RETURN_IF_ERROR(CheckLength(path));
  SLICELET_ASSIGN_OR_RETURN(opened.database, Database::Open(path, Database::Mode::kReadWrite));
  SLICELET_RETURN_IF_ERROR(opened.database->QuickCheck());
  SLICELET_RETURN_IF_ERROR(Migrate(*opened.database, migrations, opened.created));
  SLICELET_RETURN_IF_ERROR(load(*opened.database));
  return opened;
}

/// Takes the place, so that it is there when it is needed. Without room for it things go on as they are.
void MakeReserve(const std::string& name) {
  struct stat info{};
  if (stat(name.c_str(), &info) == 0 && info.st_size == kReserveBytes) return;
  const int fd = open(name.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return;
  if (posix_fallocate(fd, 0, kReserveBytes) != 0) unlink(name.c_str());
  close(fd);
}

absl::StatusOr<std::string> MoveAside(const std::string& path) {
  std::string target = path + ".damaged";
  struct stat info{};
  for (int i = 1; stat(target.c_str(), &info) == 0; ++i) {
    if (i > kMaxDamagedCopies) return absl::FailedPreconditionError(target + ": remove old damaged copies");
    target = path + ".damaged." + std::to_string(i);
  }
  for (const char* suffix : {"-wal", "-shm"}) {
    const std::string from = path + suffix;
    if (std::rename(from.c_str(), (target + suffix).c_str()) != 0 && errno != ENOENT) {
      return absl::InternalError(from + ": " + std::strerror(errno));
    }
  }
  if (std::rename(path.c_str(), target.c_str()) != 0)
    return absl::InternalError(path + ": " + std::strerror(errno));
  return target;
}

}  // namespace

absl::StatusOr<Opened> OpenStore(const std::string& path, const std::vector<std::string>& migrations,
                                 const std::function<absl::Status(Database&)>& load) {
  SLICELET_ASSIGN_OR_RETURN(std::shared_ptr<void> lock, Lock(path));
  const std::string reserve = path + ".reserve";
  absl::StatusOr<Opened> opened = TryOpen(path, migrations, load);
  // On a full disk not even reading begins; SQLite does not always say that this is why.
  const bool perhaps_full = absl::IsInternal(opened.status()) || absl::IsResourceExhausted(opened.status());
  if (perhaps_full && unlink(reserve.c_str()) == 0) {
    LogWarning("store opened with what was kept for a full disk",
               {{"path", path}, {"why", Message(opened.status())}});
    opened = TryOpen(path, migrations, load);
  }
  if (opened.status().code() == absl::StatusCode::kDataLoss) {
    SLICELET_ASSIGN_OR_RETURN(const std::string kept, MoveAside(path));
    LogError("store is damaged, made a new one",
             {{"path", path}, {"kept", kept}, {"why", Message(opened.status())}});
    opened = TryOpen(path, migrations, load);
  }
  if (!opened.ok()) return opened.status();
  opened->lock = std::move(lock);
  MakeReserve(reserve);
  return opened;
}

}  // namespace slicelet::sqlite
