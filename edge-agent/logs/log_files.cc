#include "edge-agent/logs/log_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

namespace slicelet::agent {
namespace {

constexpr std::size_t kBlock = std::size_t{64} * 1024;
/// The runtime breaks lines at 16 KiB; what is longer is no log file and is cut.
constexpr std::size_t kMaxLine = std::size_t{1024} * 1024;
/// A file may be renamed between being found and being opened; more often than this it is not.
constexpr int kMostTries = 5;

int Open(const std::string& path) { return open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW); }

bool IsOpenAs(int fd, const std::string& path) {
  struct stat open_file{};
  struct stat named{};
  return fstat(fd, &open_file) == 0 && lstat(path.c_str(), &named) == 0 && open_file.st_ino == named.st_ino &&
         open_file.st_dev == named.st_dev;
}

/// The rotated files of a log, oldest first.
std::vector<std::string> RotatedFiles(const std::string& directory, const std::string& newest) {
  std::vector<std::string> names;
  DIR* listing = opendir(directory.c_str());
  if (listing == nullptr) return names;
  while (const dirent* entry = readdir(listing)) {
    const std::string name(static_cast<const char*>(entry->d_name));
    if (name.rfind(newest + ".", 0) == 0) names.push_back(directory + name);
  }
  closedir(listing);
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

LogFiles::LogFiles(std::vector<std::string> paths) : paths_(std::move(paths)) {
  if (paths_.empty()) return;
  const std::size_t name = paths_.back().rfind('/') + 1;
  directory_ = paths_.back().substr(0, name);
  newest_ = paths_.back().substr(name);
}

LogFiles::~LogFiles() { Take(-1); }

void LogFiles::Take(int fd) {
  if (fd_ >= 0) close(fd_);
  fd_ = fd;
  rest_.clear();
}

bool LogFiles::OpenFirst() {
  for (const auto& path : paths_) {
    const int fd = Open(path);
    if (fd < 0) continue;  // Rotated away meanwhile.
    Take(fd);
    return true;
  }
  return false;
}

std::string LogFiles::Following() const {
  std::vector<std::string> files = RotatedFiles(directory_, newest_);
  files.push_back(directory_ + newest_);
  const auto open_file =
      std::find_if(files.begin(), files.end(), [this](const auto& path) { return IsOpenAs(fd_, path); });
  // One that is gone was the oldest.
  const auto next = open_file == files.end() ? files.begin() : open_file + 1;
  if (next == files.end() || (*next == files.back() && access(next->c_str(), F_OK) != 0)) return "";
  return *next;
}

bool LogFiles::OpenNext() {
  for (int i = 0; i < kMostTries; ++i) {
    const std::string path = Following();
    if (path.empty()) return false;
    const int fd = Open(path);
    if (fd < 0) continue;
    // It may have become an older file's name or a newer file's while it was opened.
    if (IsOpenAs(fd, Following())) {
      Take(fd);
      return true;
    }
    close(fd);
  }
  return false;
}

void LogFiles::SeekToTail(std::uint64_t lines) {
  std::string block(kBlock, '\0');
  for (std::size_t i = paths_.size(); i-- > 0;) {
    const int fd = Open(paths_[i]);
    if (fd < 0) continue;
    // Kept open: by the time it is read it may have another name.
    Take(fd);
    off_t end = lseek(fd, 0, SEEK_END);
    if (lines == 0) return;
    // The line feed that ends the last line does not begin another one.
    std::uint64_t seen = 0;
    while (end > 0) {
      const off_t begin = std::max<off_t>(0, end - static_cast<off_t>(kBlock));
      const ssize_t n = pread(fd, block.data(), static_cast<std::size_t>(end - begin), begin);
      if (n <= 0) break;
      for (ssize_t at = n; at-- > 0;) {
        if (block[static_cast<std::size_t>(at)] != '\n') continue;
        if (seen++ < lines) continue;
        (void)lseek(fd, begin + at + 1, SEEK_SET);
        return;
      }
      end = begin;
    }
    (void)lseek(fd, 0, SEEK_SET);
    lines -= std::min(lines, seen);
    if (lines == 0) return;
  }
}

std::string LogFiles::Read(std::size_t limit) {
  std::string lines;
  std::string block(kBlock, '\0');
  bool followed = false;
  while (lines.size() < limit) {
    if (fd_ < 0 && !OpenFirst()) return lines;
    const ssize_t n = read(fd_, block.data(), std::min(kBlock, limit));
    if (n < 0 && errno == EINTR) continue;
    if (n > 0) {
      rest_.append(block, 0, static_cast<std::size_t>(n));
      const auto end = rest_.rfind('\n');
      if (end != std::string::npos) {
        lines.append(rest_, 0, end + 1);
        rest_.erase(0, end + 1);
      } else if (rest_.size() > kMaxLine) {
        rest_.clear();
      }
      continue;
    }
    if (!followed) {
      if (Following().empty()) return lines;
      // Once more: something may have been written here before the other file was made.
      followed = true;
      continue;
    }
    if (!OpenNext()) return lines;
    followed = false;
  }
  return lines;
}

}  // namespace slicelet::agent
