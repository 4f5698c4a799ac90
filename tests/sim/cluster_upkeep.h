#pragma once

#include <functional>
#include <set>
#include <string>

#include "kube/testing/memory_kube_api.h"
#include "tests/sim/story.h"

namespace slicelet::sim {

/// What Kubernetes itself does with the objects that controllers make: what belongs to an owner that is gone
/// is collected, and a namespace that is being deleted takes nothing new and goes when it is empty.
class ClusterUpkeep {
 public:
  /// `deletes` is called before a pod is deleted. Both must outlive it.
  ClusterUpkeep(Loop& loop, kube::MemoryApiServer& api, Story& story,
                std::function<void(const kube::Json& pod)> deletes);

  /// For the API server's hooks: refuses what is made in a namespace that ends.
  [[nodiscard]] absl::Status Admit(const kube::KubeCall& call) const;
  /// From the node's end on its pods are removed.
  void NodeGoes(const std::string& node);
  /// A namespace has its finalizer from the beginning.
  void AfterCall(const kube::KubeCall& call, const absl::Status& outcome);

 private:
  void Soon();
  void Work();
  void CollectGarbage();
  void EndNamespaces();
  void RemovePodsOfNodes();
  void Delete(const kube::Resource& kind, const kube::Json& object, const kube::DeleteOptions& options = {});
  [[nodiscard]] bool OwnerIsGone(const kube::Json& object) const;

  Loop& loop_;
  kube::MemoryApiServer& api_;
  Story& story_;
  const std::function<void(const kube::Json& pod)> deletes_;
  bool waiting_ = false;
  std::set<std::string> going_nodes_;
};

}  // namespace slicelet::sim
