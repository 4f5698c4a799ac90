#include "cli/kube/access.h"

#include <filesystem>

namespace slicelet::cli {
namespace {

using Variable = std::function<std::string(const std::string&)>;

std::string Absolute(const std::string& path) {
  return std::filesystem::absolute(path).lexically_normal().string();
}

/// A path and who named it; both empty when nobody did.
struct Named {
  std::string path;
  std::string by;
};

Named NamedFile(const KubeOptions& options, FileSystem& files, const Variable& variable) {
  if (!options.kubeconfig.empty()) return {Absolute(options.kubeconfig), "--kubeconfig"};
  if (const std::string path = variable("KUBECONFIG"); !path.empty()) {
    return {path.find(':') == std::string::npos ? Absolute(path) : path, "KUBECONFIG"};
  }
  if (const std::string home = variable("HOME"); !home.empty()) {
    const std::string path = home + "/.kube/config";
    if (files.Stat(path).ok()) return {path, "the default"};
  }
  return {};
}

}  // namespace

bool HasCluster(const KubeOptions& options, FileSystem& files, const Variable& variable) {
  return !options.context.empty() || !NamedFile(options, files, variable).path.empty() ||
         !variable("KUBERNETES_SERVICE_HOST").empty();
}

absl::StatusOr<KubeAccess> FindCluster(const KubeOptions& options, FileSystem& files,
                                       const Variable& variable) {
  const Named named = NamedFile(options, files, variable);
  if (named.path.empty()) {
    if (!variable("KUBERNETES_SERVICE_HOST").empty()) {
      SLICELET_ASSIGN_OR_RETURN(kube::KubeConfig config,
                                kube::InClusterConfig(files, variable("KUBERNETES_SERVICE_HOST"),
                                                      variable("KUBERNETES_SERVICE_PORT")));
      const std::string where = config.server + " (this pod's service account)";
      return KubeAccess{std::move(config), where};
    }
    return absl::NotFoundError(
        "no kubeconfig: ~/.kube/config does not exist; name one with --kubeconfig FILE or KUBECONFIG");
  }
  if (named.path.find(':') != std::string::npos) {
    return absl::FailedPreconditionError("KUBECONFIG names several files (" + named.path +
                                         "): slicectl reads one; merge them with 'kubectl config view --raw "
                                         "--flatten', or give --kubeconfig FILE");
  }
  if (!files.Stat(named.path).ok()) {
    return absl::NotFoundError("the kubeconfig " + named.path + " (" + named.by +
                               ") does not exist: name another with --kubeconfig FILE or KUBECONFIG");
  }
  auto config = kube::ReadKubeConfig(files, named.path, options.context);
  if (!config.ok()) {
    // What stands in the file is not wrong use of this program.
    return absl::FailedPreconditionError(Message(WithContext(config.status(), "kubeconfig")));
  }
  const std::string where = config->server + " (kubeconfig " + named.path + ")";
  return KubeAccess{*std::move(config), where};
}

}  // namespace slicelet::cli
