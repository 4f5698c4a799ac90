#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/base/ids.h"
#include "common/base/status.h"
#include "slicelet/v1/agent_store.pb.h"

namespace slicelet::agent {

/// What a host must not forget over a power cut. Small values are loaded once and live in memory; blobs stay
/// on disk. Everything is written in batches: a batch is durable as a whole or not at all.
class AgentStore {
 public:
  struct Loaded {
    /// Absent in a new store.
    std::optional<v1::SignedManifest> manifest;
    v1::AgentSettings settings;
    std::map<PodUid, v1::PodRecord> records;
    std::vector<v1::StoredCredential> credentials;
    std::vector<Digest> blobs;
  };

  /// Collect changes, then `Commit`. Later entries of one key replace earlier ones.
  struct Batch {
    std::optional<v1::SignedManifest> manifest;
    std::optional<v1::AgentSettings> settings;
    std::map<PodUid, std::optional<v1::PodRecord>> records;  // nullopt removes
    std::map<Digest, std::optional<std::string>> blobs;      // nullopt removes
    std::vector<v1::StoredCredential> credentials;           // replaces (uid, name)
    std::vector<PodUid> drop_credentials;                    // all of a pod

    [[nodiscard]] bool empty() const {
      return !manifest && !settings && records.empty() && blobs.empty() && credentials.empty() &&
             drop_credentials.empty();
    }
  };

  virtual ~AgentStore() = default;

  [[nodiscard]] virtual const Loaded& loaded() const = 0;
  /// Makes the batch durable (fsync) before `done(OK)`. Batches become durable in the order of calling; those
  /// that wait while one is being written share the next fsync. ResourceExhausted: the disk is full, nothing
  /// was written.
  virtual void Commit(Batch batch, StatusCallback done) = 0;
  /// Reads a durable blob. NotFound if absent; DataLoss if its bytes do not match the digest (it is then
  /// dropped).
  virtual absl::StatusOr<std::string> ReadBlob(const Digest& digest) = 0;
};

}  // namespace slicelet::agent
