#pragma once

#include <functional>
#include <string>
#include <vector>

#include "common/base/file_system.h"
#include "common/loop/loop.h"

namespace slicelet {

/// Certificates, keys and CA bundles in files that may be replaced while the program runs. Looked at every
/// `interval`; what can not be read or taken leaves the former in force, is logged, and is tried again.
class WatchedFiles {
 public:
  static constexpr Duration kInterval = std::chrono::seconds(60);
  static constexpr std::uint64_t kMaxBytes = std::uint64_t{1} << 20;

  /// Gets the files' contents in the order of their paths.
  using Take = std::function<absl::Status(const std::vector<std::string>& contents)>;

  WatchedFiles(Loop& loop, FileSystem& files, std::vector<std::string> paths, Take take,
               Duration interval = kInterval);

  /// Takes the files for the first time; the error names the file. Only then they are watched.
  absl::Status Start();
  /// As taken last.
  [[nodiscard]] const std::vector<std::string>& contents() const { return taken_; }

 private:
  void Look();
  absl::Status Read(std::vector<std::string>& contents) const;

  FileSystem& files_;
  const std::vector<std::string> paths_;
  const Take take_;
  const Duration interval_;
  std::vector<std::string> taken_;
  Timer next_;
};

}  // namespace slicelet
