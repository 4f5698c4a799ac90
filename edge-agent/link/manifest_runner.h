#pragma once

#include <functional>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "common/base/ids.h"
#include "slicelet/v1/agent_store.pb.h"
#include "slicelet/v1/manifest.pb.h"
#include "slicelet/v1/workload.pb.h"

namespace slicelet::agent {

/// What the link asks of whoever runs the manifest: the part of `PodSupervisor` that it needs, with the same
/// meaning.
class ManifestRunner {
 public:
  virtual ~ManifestRunner() = default;
  virtual void Apply(const v1::Manifest& manifest) = 0;
  [[nodiscard]] virtual std::vector<Digest> MissingBlobs() const = 0;
  virtual void OnBlobsStored() = 0;
  virtual void OnCredentialStored(const v1::StoredCredential& credential) = 0;
  [[nodiscard]] virtual std::vector<std::pair<PodUid, std::string>> MissingCredentials() const = 0;
  [[nodiscard]] virtual std::vector<v1::WorkloadStatus> Statuses() const = 0;
  /// nullptr when it is not known any more.
  [[nodiscard]] virtual const v1::WorkloadStatus* FindStatus(const PodUid& uid) const = 0;
  [[nodiscard]] virtual const std::optional<std::set<PodUid>>& Unexplained() const = 0;
  virtual void OnStatusChanged(std::function<void(const std::vector<PodUid>&, bool urgent)> changed) = 0;
  [[nodiscard]] virtual std::vector<Digest> LiveBlobs() const = 0;
};

}  // namespace slicelet::agent
