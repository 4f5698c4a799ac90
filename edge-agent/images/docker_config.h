#pragma once

#include <string>
#include <vector>

#include "common/base/status.h"
#include "edge-agent/runtime/container_runtime.h"
#include "slicelet/v1/workload.pb.h"

namespace slicelet::agent {

/// Registry credentials of one pull secret (type kubernetes.io/dockerconfigjson or kubernetes.io/dockercfg),
/// in the matching rules of the kubelet: a key is HOST[:PORT][/PATH], with an optional scheme, and "*" stands
/// for one label of the host; longer keys win.
class DockerConfig {
 public:
  /// InvalidArgument when it is not such a document. Messages never hold credentials.
  static absl::StatusOr<DockerConfig> Parse(const v1::FileSet& secret);

  /// Best match first; empty when none matches `image`.
  [[nodiscard]] std::vector<RegistryAuth> Lookup(const std::string& image) const;

 private:
  struct Entry {
    std::string key;
    RegistryAuth auth;
  };
  std::vector<Entry> entries_;
};

}  // namespace slicelet::agent
