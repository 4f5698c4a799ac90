#include "kube/open/open_kube.h"

#include <cstdlib>
#include <nlohmann/json.hpp>
#include <utility>

#include "kube/directory/directory_kube_api.h"
#include "kube/directory/manifest_directory.h"
#include "kube/http/http_kube_api.h"

namespace slicelet::kube {
namespace {

std::string Variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

class OpenedCluster final : public OpenedKube {
 public:
  OpenedCluster(KubeConfig config, Loop& loop, FileSystem& files)
      : config_(std::move(config)), api_(MakeHttpKubeApi(config_, loop, files)) {}
  KubeApi& api() override { return *api_; }
  [[nodiscard]] const KubeConfig* config() const override { return &config_; }
  [[nodiscard]] std::uint64_t incarnation() const override { return 0; }

 private:
  const KubeConfig config_;
  const std::unique_ptr<KubeApi> api_;
};

class OpenedDirectory final : public OpenedKube {
 public:
  OpenedDirectory(std::unique_ptr<DirectoryKube> kube, std::uint64_t incarnation)
      : kube_(std::move(kube)), incarnation_(incarnation) {}

  absl::Status Start(AsioLoop& loop, const std::string& path) {
    SLICELET_RETURN_IF_ERROR(kube_->Start());
    SLICELET_ASSIGN_OR_RETURN(notifier_, WatchDirectory(loop, path, [this] { kube_->Rescan(); }));
    return absl::OkStatus();
  }
  KubeApi& api() override { return kube_->api(); }
  [[nodiscard]] const KubeConfig* config() const override { return nullptr; }
  [[nodiscard]] std::uint64_t incarnation() const override { return incarnation_; }

 private:
  const std::unique_ptr<DirectoryKube> kube_;
  const std::uint64_t incarnation_;
  std::unique_ptr<DirectoryNotifier> notifier_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<OpenedKube>> OpenKube(const KubeSource& source, AsioLoop& loop,
                                                     const Clock& clock, Random& random, FileSystem& files) {
  if (!source.directory.empty()) {
    SLICELET_ASSIGN_OR_RETURN(const auto incarnation, NextIncarnation(files, source.incarnation_file));
    auto opened = std::make_unique<OpenedDirectory>(
        MakeDirectoryKube({.path = source.directory, .incarnation = incarnation}, loop, clock, random, files),
        incarnation);
    SLICELET_RETURN_IF_ERROR(opened->Start(loop, source.directory));
    return opened;
  }
  KubeConfig config;
  if (source.in_cluster) {
    SLICELET_ASSIGN_OR_RETURN(config, InClusterConfig(files, Variable("KUBERNETES_SERVICE_HOST"),
                                                      Variable("KUBERNETES_SERVICE_PORT")));
  } else {
    SLICELET_ASSIGN_OR_RETURN(config, ReadKubeConfig(files, source.kubeconfig, ""));
  }
  return std::make_unique<OpenedCluster>(std::move(config), loop, files);
}

}  // namespace slicelet::kube
