#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/base/random.h"
#include "common/base/time.h"
#include "kube/cluster/selector.h"
#include "kube/cluster/watch_history.h"
#include "kube/kube_api.h"

namespace slicelet::kube {

/// Who asks. "system:node:NAME" gets a node's view (access.h); every other name may do everything.
using User = std::string;

/// The state and the rules of a Kubernetes API server in memory: resource versions, uids, generations,
/// defaulting, optimistic concurrency, graceful deletion of pods, status subresources, patches, a bounded
/// history for watches.
///
/// Synchronous; `MemoryKubeApi` and `DirectoryKubeApi` put it behind `KubeApi`. Single-threaded. Objects of
/// unknown kinds are kept as they are. It has no controllers: nothing schedules, collects or evicts.
class MemoryCluster {
 public:
  struct Options {
    /// Versions that a watch can go back. The oldest are compacted away.
    std::size_t history_limit = 1'000;
    /// Versions count from here on.
    std::uint64_t first_version = 0;
    /// Tokens that look like service account tokens and open nothing: for tests. Otherwise TokenRequest is
    /// refused.
    bool issue_tokens = true;
  };

  using Seen = WatchHistory::Seen;

  /// Everything a cluster's etcd backup holds.
  struct Snapshot {
    std::map<std::string, std::map<std::pair<std::string, std::string>, StoredObject>> collections;
    std::uint64_t version = 0;
  };

  /// Holds the namespaces default, kube-system, kube-public and kube-node-lease. Both must outlive it.
  MemoryCluster(const Clock& clock, Random& random, Options options);
  MemoryCluster(const Clock& clock, Random& random) : MemoryCluster(clock, random, Options()) {}

  absl::StatusOr<Json> Get(const User& user, const ObjectRef& ref) const;
  absl::StatusOr<ObjectList> List(const User& user, const Resource& resource, const std::string& ns,
                                  const ListOptions& options) const;
  absl::StatusOr<Json> Create(const User& user, const ObjectRef& ref, const Json& object);
  absl::StatusOr<Json> Update(const User& user, const ObjectRef& ref, const Json& object);
  absl::StatusOr<Json> Patch(const User& user, const ObjectRef& ref, PatchType type, const Json& patch);
  absl::Status Delete(const User& user, const ObjectRef& ref, const DeleteOptions& options);

  /// May `user` watch this? OutOfRange when `options.resource_version` is compacted away. A version that is
  /// yet to come is accepted and sees nothing until it has come, as on a real server.
  absl::Status AdmitWatch(const User& user, const Resource& resource, const std::string& ns,
                          const ListOptions& options) const;
  /// What a watch of `resource` in `ns` sees after `version`. OutOfRange as above.
  absl::StatusOr<std::vector<Seen>> ChangesSince(const Resource& resource, const std::string& ns,
                                                 const Selector& selector, std::uint64_t version) const;
  /// Called after every change with the collection's key; returns an id for `RemoveListener`.
  std::uint64_t AddListener(std::function<void(const std::string& collection)> listener);
  void RemoveListener(std::uint64_t id) { listeners_.erase(id); }

  /// The object, or null. Without rules: for controllers, validation and tests.
  [[nodiscard]] StoredObject Peek(const Resource& resource, const std::string& ns,
                                  const std::string& name) const;
  [[nodiscard]] std::vector<StoredObject> All(const Resource& resource) const;
  [[nodiscard]] std::uint64_t version() const { return version_; }
  [[nodiscard]] const Clock& clock() const { return clock_; }
  static std::string CollectionKey(const Resource& resource);

  /// Forgets the history: every watch that is not up to date gets 410.
  void Compact();
  [[nodiscard]] Snapshot TakeSnapshot() const { return {collections_, version_}; }
  /// As after `etcdctl snapshot restore`: older state, lower versions. Open watches must be broken by the
  /// caller.
  void Restore(Snapshot snapshot);
  /// Sets kube-system's uid, by which a cluster is known.
  void SetIdentity(const std::string& uid);
  /// Another one, as if another cluster answered under this address.
  void ExchangeIdentity() { SetIdentity(random_.Uuid()); }

 private:
  using Key = std::pair<std::string, std::string>;
  using Collection = std::map<Key, StoredObject>;

  absl::StatusOr<StoredObject> Need(const ObjectRef& ref) const;
  absl::StatusOr<Json> Replace(const ObjectRef& ref, const StoredObject& before, Json after);
  absl::StatusOr<Json> CreateToken(const ObjectRef& ref, const Json& request);
  absl::StatusOr<Json> Bind(const ObjectRef& ref, const Json& binding);
  StoredObject Store(const Resource& resource, Json object);
  void Remove(const Resource& resource, const Key& key);
  void Record(WatchHistory::Change change);

  const Clock& clock_;
  Random& random_;
  const Options options_;
  std::map<std::string, Collection> collections_;
  std::uint64_t version_ = 0;
  WatchHistory history_;
  std::map<std::uint64_t, std::function<void(const std::string&)>> listeners_;
  std::uint64_t next_listener_ = 1;
};

}  // namespace slicelet::kube
