#pragma once

#include <map>
#include <string>
#include <vector>

#include "common/base/file_system.h"
#include "common/base/time.h"
#include "edge-agent/runtime/container_runtime.h"
#include "slicelet/v1/link.pb.h"

namespace slicelet::agent {

/// The host's conditions as a kubelet's node shows them, with the time each last changed.
class NodeConditions {
 public:
  /// Both must outlive this object. `root` is on the disk whose pressure counts.
  NodeConditions(FileSystem& files, const Clock& clock, std::string root)
      : files_(files), clock_(clock), root_(std::move(root)) {}

  /// Looks again. What can not be measured on this machine has no condition. `image_root` is on the file
  /// system of images, "" while that is unknown.
  [[nodiscard]] std::vector<v1::Condition> Observe(const absl::StatusOr<RuntimeInfo>& runtime,
                                                   const std::string& image_root = "");

 private:
  /// What is said about a file system with less than `percent` free; "" while there is enough.
  [[nodiscard]] std::string Shortage(const std::string& path, std::uint64_t percent, bool* measured);
  v1::Condition Make(const std::string& type, bool status, const std::string& reason,
                     const std::string& message);

  FileSystem& files_;
  const Clock& clock_;
  const std::string root_;
  struct Last {
    bool status = false;
    std::int64_t since = 0;
  };
  std::map<std::string, Last> last_;
};

}  // namespace slicelet::agent
