#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "kube/cluster/cluster_api.h"

namespace slicelet::kube {

/// One call as a fault hook sees it.
struct KubeCall {
  User user;
  Verb verb = Verb::kGet;
  ObjectRef ref;
  /// What is written; null for reads and deletes. Valid during the hook only.
  const Json* body = nullptr;
};

/// An API server for tests and for the simulation: a `MemoryCluster` on a loop, whose answers can be delayed,
/// refused or lost. Every `KubeApi` it hands out sees the same cluster through another credential.
class MemoryApiServer {
 public:
  struct Faults {
    /// Between a call and its execution, and between a change and its watch event. Empty: none.
    std::function<Duration()> latency;
    /// Runs before a call; an error is the answer and nothing happens.
    std::function<absl::Status(const KubeCall&)> before;
    /// Runs after a call was carried out, with its outcome; an error replaces the answer, as when the
    /// connection broke.
    std::function<absl::Status(const KubeCall&, const absl::Status& outcome)> after;
    /// A watch ends in the normal way after this long; zero: never.
    Duration watch_lifetime = Duration::zero();
    Duration bookmark_period = std::chrono::seconds(60);
  };

  /// All must outlive it, and it must outlive the KubeApis and watches it made.
  MemoryApiServer(Loop& loop, const Clock& clock, Random& random);
  ~MemoryApiServer();

  /// "system:node:NAME" has a node's rights, every other name all.
  std::unique_ptr<KubeApi> ApiAs(const User& user);

  /// The state behind it, for arranging and asserting without a loop.
  MemoryCluster& cluster() { return cluster_; }
  Faults& faults() { return faults_; }

  /// Down: calls answer Unavailable and open watches break.
  void SetDown(bool down);
  [[nodiscard]] bool down() const { return down_; }
  /// Ends every open watch; OK is the normal end.
  void BreakWatches(const absl::Status& status = absl::UnavailableError("connection reset"));
  void SendBookmarks();
  /// etcd restored from a backup: older state, lower versions, every watch broken.
  void Restore(MemoryCluster::Snapshot snapshot);
  [[nodiscard]] std::size_t open_watches() const { return watches_.size(); }

 private:
  class Api;
  class TrackedWatch;

  [[nodiscard]] Duration Latency() const;
  [[nodiscard]] absl::Status Refuse(const KubeCall& call) const;

  Loop& loop_;
  MemoryCluster cluster_;
  Faults faults_;
  bool down_ = false;
  /// By age: an order by address would differ from run to run.
  std::map<std::uint64_t, TrackedWatch*> watches_;
  std::uint64_t next_watch_ = 1;
};

}  // namespace slicelet::kube
