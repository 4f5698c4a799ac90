#pragma once

#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "common/base/ids.h"
#include "common/base/status.h"
#include "slicelet/v1/hub_store.pb.h"

namespace slicelet::provider {

/// What a provider must not forget. Small values are loaded once and live in memory; blobs and the lines of
/// logs stay on disk. A batch is durable as a whole or not at all.
class HubStore {
 public:
  using StatusKey = std::pair<PodUid, HostId>;
  /// Whose container, on which host, its name.
  using LogTailKey = std::tuple<PodUid, HostId, std::string>;

  struct LogTail {
    v1::LogTailRecord record;
    /// Those of its instances, one after the other.
    std::string lines;
  };

  struct Loaded {
    v1::HubSettings settings;
    std::map<HostId, v1::HostRecord> hosts;
    std::map<NodeName, v1::NodeRecord> nodes;
    std::map<PodUid, v1::OrphanRecord> orphans;
    std::map<StatusKey, v1::StatusRecord> statuses;
    std::map<PodUid, v1::PlacementRecord> placements;
    std::map<LogTailKey, v1::LogTailRecord> log_tails;
    std::vector<Digest> blobs;
  };

  struct Batch {
    std::optional<v1::HubSettings> settings;
    std::map<HostId, std::optional<v1::HostRecord>> hosts;  // nullopt removes, here and below
    std::map<NodeName, std::optional<v1::NodeRecord>> nodes;
    std::map<PodUid, std::optional<v1::OrphanRecord>> orphans;
    std::map<StatusKey, std::optional<v1::StatusRecord>> statuses;
    std::map<PodUid, std::optional<v1::PlacementRecord>> placements;
    std::map<LogTailKey, std::optional<LogTail>> log_tails;
    std::map<Digest, std::optional<std::string>> blobs;

    [[nodiscard]] bool empty() const {
      return !settings && hosts.empty() && nodes.empty() && orphans.empty() && statuses.empty() &&
             placements.empty() && log_tails.empty() && blobs.empty();
    }
  };

  virtual ~HubStore() = default;

  [[nodiscard]] virtual const Loaded& loaded() const = 0;
  [[nodiscard]] virtual bool created() const = 0;
  /// As AgentStore::Commit: durable before `done(OK)`, in order, group commit, ResourceExhausted when the
  /// disk is full.
  virtual void Commit(Batch batch, StatusCallback done) = 0;
  virtual absl::StatusOr<std::string> ReadBlob(const Digest& digest) = 0;
  /// As it is durable. NotFound when there is none.
  virtual absl::StatusOr<LogTail> ReadLogTail(const LogTailKey& key) = 0;
};

}  // namespace slicelet::provider
