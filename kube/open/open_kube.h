#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "common/base/file_system.h"
#include "common/base/random.h"
#include "common/base/time.h"
#include "common/loop/asio_loop.h"
#include "kube/http/kube_config.h"
#include "kube/kube_api.h"

namespace slicelet::kube {

/// Where a program finds its Kubernetes objects: exactly one of the first three.
struct KubeSource {
  std::string kubeconfig;
  std::string directory;
  bool in_cluster = false;
  /// Directory only: where the count of this program's lives is kept.
  std::string incarnation_file;
};

/// A KubeApi with what it needs to live.
class OpenedKube {
 public:
  virtual ~OpenedKube() = default;
  virtual KubeApi& api() = 0;
  /// How the cluster is reached; null for a directory.
  [[nodiscard]] virtual const KubeConfig* config() const = 0;
  /// Directory only: this life's number, from 1. 0 in a cluster.
  [[nodiscard]] virtual std::uint64_t incarnation() const = 0;
};

/// All must outlive it. Errors name the file or directory.
absl::StatusOr<std::unique_ptr<OpenedKube>> OpenKube(const KubeSource& source, AsioLoop& loop,
                                                     const Clock& clock, Random& random, FileSystem& files);

}  // namespace slicelet::kube
