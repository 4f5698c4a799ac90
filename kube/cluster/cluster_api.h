#pragma once

#include <functional>
#include <memory>
#include <string>

#include "common/loop/loop.h"
#include "kube/cluster/access.h"
#include "kube/cluster/memory_cluster.h"

namespace slicelet::kube {

/// A watch of a `MemoryCluster`.
class ClusterWatch : public Watch {
 public:
  struct Options {
    /// Between a change and its event.
    std::function<Duration()> delay;
    Duration bookmark_period = std::chrono::seconds(60);
    /// Then the watch ends in the normal way. Zero: never.
    Duration lifetime = Duration::zero();
  };

  /// `cluster` and `loop` must outlive it.
  ClusterWatch(MemoryCluster& cluster, Loop& loop, const User& user, const Resource& resource,
               const std::string& ns, const ListOptions& list, WatchHandler handler, Options options);
  ~ClusterWatch() override;

  /// Ends it from the server's side: `on_end` gets the status, on the loop.
  void End(const absl::Status& status);
  void SendBookmark();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

/// `KubeApi` in front of a `MemoryCluster`, as one user.
class ClusterApi : public KubeApi {
 public:
  /// `cluster` and `loop` must outlive it. After its destruction no callback follows.
  ClusterApi(MemoryCluster& cluster, Loop& loop, User user)
      : cluster_(cluster), loop_(loop), user_(std::move(user)) {}

  void Get(const ObjectRef& ref, Callback<Json> done) override;
  void List(const Resource& resource, const std::string& ns, const ListOptions& options,
            Callback<ObjectList> done) override;
  std::unique_ptr<Watch> StartWatch(const Resource& resource, const std::string& ns,
                                    const ListOptions& options, WatchHandler handler) override;
  void Create(const ObjectRef& ref, const Json& object, Callback<Json> done) override;
  void Update(const ObjectRef& ref, const Json& object, Callback<Json> done) override;
  void Patch(const ObjectRef& ref, PatchType type, const Json& patch, Callback<Json> done) override;
  void Delete(const ObjectRef& ref, const DeleteOptions& options, StatusCallback done) override;

 protected:
  struct Call {
    const User& user;
    Verb verb;
    const ObjectRef& ref;
    const Json* body;  // null for reads and deletes
  };
  /// Does the call and returns its status; `answer` then gives the result to the caller.
  struct Work {
    std::function<absl::Status()> execute;
    std::function<void()> answer;
    std::function<void(absl::Status)> fail;
  };
  /// Decides when the work is done and what becomes of its answer. Here: in the next task of the loop.
  virtual void Schedule(const Call& call, Work work);

  MemoryCluster& cluster() { return cluster_; }
  Loop& loop() { return loop_; }
  [[nodiscard]] const User& user() const { return user_; }
  [[nodiscard]] const Lifetime& lifetime() const { return lifetime_; }

 private:
  template <typename T>
  void Run(const Call& call, std::function<absl::StatusOr<T>()> action, Callback<T> done);

  MemoryCluster& cluster_;
  Loop& loop_;
  const User user_;
  Lifetime lifetime_;
};

}  // namespace slicelet::kube
