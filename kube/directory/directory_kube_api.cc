#include "kube/directory/directory_kube_api.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "common/base/encoding.h"
#include "kube/cluster/cluster_api.h"
#include "kube/directory/manifest_directory.h"

namespace slicelet::kube {
namespace {

/// Changes of one process life that fit below the next one's first version.
constexpr int kVersionBits = 32;
constexpr std::size_t kHistory = 1'000;
constexpr char kUser[] = "slicelet:standalone";

class DirectoryKubeImpl : public DirectoryKube {
 public:
  DirectoryKubeImpl(Options options, Loop& loop, const Clock& clock, Random& random, FileSystem& files)
      : cluster_(clock, random,
                 {.history_limit = kHistory,
                  .first_version = options.incarnation << kVersionBits,
                  .issue_tokens = false}),
        directory_(options.path, loop, files, cluster_),
        api_(cluster_, loop, kUser) {}

  absl::Status Start() override { return directory_.Start(); }
  void Rescan() override { directory_.Rescan(); }
  KubeApi& api() override { return api_; }

 private:
  MemoryCluster cluster_;
  ManifestDirectory directory_;
  ClusterApi api_;
};

}  // namespace

std::unique_ptr<DirectoryKube> MakeDirectoryKube(DirectoryKube::Options options, Loop& loop,
                                                 const Clock& clock, Random& random, FileSystem& files) {
  return std::make_unique<DirectoryKubeImpl>(std::move(options), loop, clock, random, files);
}

}  // namespace slicelet::kube
