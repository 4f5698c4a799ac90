#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/base/status.h"

namespace slicelet::agent {

/// Reads the log files of one container instance in order, whole lines at a time, over rotations: the file
/// that is being read stays open when it is renamed, and the next one is opened when nothing is left in it.
class LogFiles {
 public:
  /// Oldest first; the last is the one that is being written.
  explicit LogFiles(std::vector<std::string> paths) : paths_(std::move(paths)) {}
  ~LogFiles();
  LogFiles(const LogFiles&) = delete;
  LogFiles& operator=(const LogFiles&) = delete;

  /// Begins `lines` lines before the end instead of at the beginning.
  void SeekToTail(std::uint64_t lines);

  /// Up to about `limit` bytes of whole lines, with their line feeds. Empty: nothing more for now.
  std::string Read(std::size_t limit);

 private:
  bool OpenNext();
  /// True when the path of the file being read names another file by now.
  [[nodiscard]] bool Rotated() const;
  void Close();

  const std::vector<std::string> paths_;
  /// Of the open file; paths_.size() when none was opened yet or none is left.
  std::size_t next_ = 0;
  int fd_ = -1;
  std::uint64_t first_offset_ = 0;
  std::string rest_;
};

}  // namespace slicelet::agent
