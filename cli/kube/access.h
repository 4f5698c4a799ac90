#pragma once

#include <functional>
#include <string>

#include "common/base/file_system.h"
#include "common/base/status.h"
#include "kube/http/kube_config.h"

namespace slicelet::cli {

/// How the command line names a cluster.
struct KubeOptions {
  std::string kubeconfig;
  std::string context;
};

/// A cluster's configuration, and in words where it comes from.
struct KubeAccess {
  kube::KubeConfig config;
  /// "https://10.0.0.5:6443 (kubeconfig /root/.kube/config)"
  std::string where;
};

/// `options.kubeconfig`, else $KUBECONFIG, else ~/.kube/config, else the service account of the pod that this
/// runs in. NotFound says where it looked and what to do. `variable` is the environment ("" for what is not
/// set).
absl::StatusOr<KubeAccess> FindCluster(const KubeOptions& options, FileSystem& files,
                                       const std::function<std::string(const std::string&)>& variable);

/// There is something to read a cluster's address from.
bool HasCluster(const KubeOptions& options, FileSystem& files,
                const std::function<std::string(const std::string&)>& variable);

}  // namespace slicelet::cli
