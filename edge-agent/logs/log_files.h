#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/base/status.h"

namespace slicelet::agent {

/// Reads the log files of one container instance in order, whole lines at a time, over rotations: the file
/// that is being read stays open when it is renamed, and is left for the one that came after it once there is
/// one and nothing is left in it. However often the log is rotated meanwhile, none is skipped that still
/// exists.
class LogFiles {
 public:
  /// Of one directory, oldest first; the last is the one that is being written. It may be absent between
  /// being moved aside and being made anew.
  explicit LogFiles(std::vector<std::string> paths);
  ~LogFiles();
  LogFiles(const LogFiles&) = delete;
  LogFiles& operator=(const LogFiles&) = delete;

  /// Begins `lines` lines before the end instead of at the beginning.
  void SeekToTail(std::uint64_t lines);

  /// Up to about `limit` bytes of whole lines, with their line feeds. Empty: nothing more for now.
  std::string Read(std::size_t limit);

 private:
  /// Opens the oldest of those that reading begins with.
  bool OpenFirst();
  /// Leaves the open file for the one that comes after it. False when there is none.
  bool OpenNext();
  /// Path of the file after the open one, as the directory is now; "" when the open one is the newest.
  [[nodiscard]] std::string Following() const;
  /// From now on `fd` is read.
  void Take(int fd);

  const std::vector<std::string> paths_;
  /// Where the log is and how the newest file is called; the names of older ones begin like it.
  std::string directory_, newest_;
  int fd_ = -1;
  std::string rest_;
};

}  // namespace slicelet::agent
