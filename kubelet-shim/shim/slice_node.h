#pragma once

#include <memory>
#include <string>

#include "common/base/backoff.h"
#include "kubelet-shim/node/node_controller.h"
#include "kubelet-shim/pod/pod_sync.h"
#include "kubelet-shim/shim/shim.h"

namespace slicelet::shim {

/// One node that the provider declared: its credential, its Node object and lease, its pods.
///
///   credential --> kubelet API's endpoint --> Node registered --> pods
///
/// Each step is tried again, with backoff, until it succeeds. The pods of a Node that belongs to somebody
/// else are not touched.
class SliceNode {
 public:
  struct Shared {
    Loop& loop;
    Clock& clock;
    Random& random;
    const Shim::Options& options;
    kube::KubeApi& controller;
    NodeIdentity& identity;
    ReferentCache& referents;
    RefusalSpacing& refusals;
    ServiceCache& services;
    std::function<void(v1::ShimMessage)> send;
  };

  /// `shared` must outlive it.
  SliceNode(const Shared& shared, v1::NodeDeclare declared);

  void Start();
  /// The provider declared it in the present session: its pods are told (again).
  void OnDeclare(v1::NodeDeclare declared);
  void OnSessionLost();
  void OnReport(const v1::NodeReport& report);
  void OnServices();
  void OnSelectors();

  /// Null while the Node is not registered as ours.
  [[nodiscard]] PodSync* pods() const { return pods_.get(); }
  [[nodiscard]] const std::shared_ptr<kube::KubeApi>& api() const { return api_; }

 private:
  void AskForApi();
  void AskForEndpoint();
  void OnApi(std::shared_ptr<kube::KubeApi> api);
  void OnEndpoint(const NodeIdentity::Endpoint& endpoint);
  void StartPods();
  [[nodiscard]] const std::string& name() const { return declared_.name(); }

  const Shared& shared_;
  v1::NodeDeclare declared_;
  std::shared_ptr<kube::KubeApi> api_;
  std::optional<v1::NodeReport> report_;
  bool in_session_ = false;
  std::unique_ptr<NodeController> controller_;
  std::unique_ptr<PodSync> pods_;
  Timer retry_;
  Backoff backoff_;
  Lifetime lifetime_;
};

}  // namespace slicelet::shim
