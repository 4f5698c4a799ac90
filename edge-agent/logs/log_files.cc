#include "edge-agent/logs/log_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace slicelet::agent {
namespace {

constexpr std::size_t kBlock = std::size_t{64} * 1024;
/// The runtime breaks lines at 16 KiB; what is longer is no log file and is cut.
constexpr std::size_t kMaxLine = std::size_t{1024} * 1024;

}  // namespace

LogFiles::~LogFiles() { Close(); }

void LogFiles::Close() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

bool LogFiles::OpenNext() {
  while (next_ < paths_.size()) {
    const auto& path = paths_[next_++];
    fd_ = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd_ < 0) continue;  // Rotated away meanwhile.
    if (first_offset_ > 0) (void)lseek(fd_, static_cast<off_t>(first_offset_), SEEK_SET);
    first_offset_ = 0;
    return true;
  }
  return false;
}

bool LogFiles::Rotated() const {
  struct stat open_file{};
  struct stat named{};
  if (paths_.empty() || next_ < paths_.size() || fstat(fd_, &open_file) != 0) return false;
  if (stat(paths_.back().c_str(), &named) != 0) return false;
  return open_file.st_ino != named.st_ino || open_file.st_dev != named.st_dev;
}

void LogFiles::SeekToTail(std::uint64_t lines) {
  std::string block(kBlock, '\0');
  for (std::size_t i = paths_.size(); i-- > 0;) {
    const int fd = open(paths_[i].c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) continue;
    next_ = i;
    first_offset_ = 0;
    off_t end = lseek(fd, 0, SEEK_END);
    if (lines == 0) {
      first_offset_ = static_cast<std::uint64_t>(std::max<off_t>(end, 0));
      close(fd);
      return;
    }
    // The line feed that ends the last line does not begin another one.
    std::uint64_t seen = 0;
    while (end > 0) {
      const off_t begin = std::max<off_t>(0, end - static_cast<off_t>(kBlock));
      const ssize_t n = pread(fd, block.data(), static_cast<std::size_t>(end - begin), begin);
      if (n <= 0) break;
      for (ssize_t at = n; at-- > 0;) {
        if (block[static_cast<std::size_t>(at)] != '\n') continue;
        if (seen++ < lines) continue;
        first_offset_ = static_cast<std::uint64_t>(begin + at + 1);
        close(fd);
        return;
      }
      end = begin;
    }
    close(fd);
    lines -= std::min(lines, seen);
    if (lines == 0) return;
  }
}

std::string LogFiles::Read(std::size_t limit) {
  std::string lines;
  std::string block(kBlock, '\0');
  while (lines.size() < limit) {
    if (fd_ < 0 && !OpenNext()) return lines;
    // Before reading: what is written between the two is seen by the next round.
    const bool rotated = Rotated();
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
    if (next_ < paths_.size()) {
      Close();
    } else if (rotated) {
      Close();
      next_ = paths_.size() - 1;
    } else {
      return lines;
    }
    rest_.clear();
  }
  return lines;
}

}  // namespace slicelet::agent
