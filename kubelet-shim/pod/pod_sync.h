#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/backoff.h"
#include "common/base/ids.h"
#include "kube/reflector.h"
#include "kubelet-shim/pod/pod_worker.h"
#include "kubelet-shim/pod/service_cache.h"
#include "kubelet-shim/pod/toleration_keeper.h"
#include "slicelet/v1/provider.pb.h"

namespace slicelet::shim {

/// The pods of one slice node: a watch with the node's credential, a worker per uid, and the evidence rule.
///
/// Evidence (ARCHITECTURE 4): a DELETED event and another uid under the same name end a workload; a pod that
/// is merely missing from a list does not. Its worker is dropped without a word, the list is told to the
/// provider with what it needs to judge it, and the provider asks for a confirming GET. An unread, failed or
/// unsettled list tells nothing.
class PodSync {
 public:
  /// Removals that a provider may not have heard of, told again in each session.
  static constexpr std::size_t kMaxForgotten = 4'096;

  /// The provider compares a list with the highest version it was told, so it is told from time to time: a
  /// cluster restored to a state younger than that can not be told from one where pods were deleted.
  static constexpr Duration kRemind = std::chrono::minutes(5);

  struct Options {
    bool api_access_default = false;
    /// The node stands for many hosts.
    bool fleet = false;
  };
  struct Dependencies {
    Loop& loop;
    Clock& clock;
    Random& random;
    std::shared_ptr<kube::KubeApi> api;
    /// Reads kube-system's uid and confirms absences; sees what a node may not.
    kube::KubeApi& controller;
    ReferentCache& referents;
    RefusalSpacing& refusals;
    ServiceCache& services;
    std::function<void(v1::ShimMessage)> send;
    /// resourceVersion of the node's own lease, 0 while unknown.
    std::function<std::uint64_t()> lease_version;
  };

  PodSync(std::string node, Options options, Dependencies dependencies);
  ~PodSync();

  void Start();
  /// The provider declared the node in a new session: it gets everything again.
  void OnSession();
  /// The session broke; nothing reaches the provider before the next `OnSession`.
  void OnSessionLost() { session_ = false; }
  /// Services were listed for the first time.
  void OnServices();
  /// Services have changed.
  void OnSelectors();

  void OnReport(v1::PodReport report);
  void OnGone(const v1::PodGone& gone);
  void OnEvent(const v1::ObjectEvent& event);
  void OnConfirm(const v1::ConfirmPod& confirm);

  /// Null for an unknown uid.
  [[nodiscard]] const PodWorker* Find(const PodUid& uid) const;
  [[nodiscard]] const std::map<PodUid, std::unique_ptr<PodWorker>>& workers() const { return workers_; }

 private:
  void OnList(std::vector<kube::Json> items, const std::string& version);
  void OnPodEvent(kube::WatchEventType type, kube::Json pod);
  void Add(kube::Json pod);
  /// An event at each Service that chooses the pod: what it shows as an address is not reachable from the
  /// cluster, and EndpointSlices list it all the same.
  void WarnServices(const kube::Json& pod);
  /// Drops the workers whose pods `items` does not hold.
  void DropMissing(const std::vector<kube::Json>& items, bool went_back);
  void Forget(const PodUid& uid, v1::Evidence evidence);
  void SendForget(const PodUid& uid, v1::Evidence evidence);
  /// Reads kube-system's uid, again and again until it is known, then tells the list.
  void IdentifyCluster();
  void OnIdentified(std::string uid);
  void TrySync();
  void Send(v1::ShimMessage message);
  void Confirm(const v1::ConfirmPod& confirm, const std::string& cluster_uid);
  void AnswerConfirm(const v1::ConfirmPod& confirm, const std::string& cluster_uid, bool absent);

  const std::string node_;
  const Dependencies deps_;
  EventRecorder events_;
  PodContext context_;
  std::unique_ptr<kube::Reflector> reflector_;
  std::map<PodUid, std::unique_ptr<PodWorker>> workers_;
  std::deque<std::pair<PodUid, v1::Evidence>> forgotten_;
  bool session_ = false;
  bool sync_wanted_ = false;
  /// Pods whose name a list showed with another uid: evidence once the cluster proves to be the same.
  std::vector<PodUid> replaced_;
  std::string cluster_uid_;
  bool cluster_known_ = false;
  /// The newest version of the pods that was seen, by list or by watch.
  std::uint64_t version_ = 0;
  /// What it was before a list showed an older one; 0 once the provider was told.
  std::uint64_t went_back_from_ = 0;
  TolerationKeeper tolerations_;
  Timer retry_;
  Timer remind_;
  Backoff backoff_;
  Lifetime lifetime_;
};

/// metadata.uid of kube-system: what tells one cluster from another.
void ReadClusterUid(kube::KubeApi& controller, Callback<std::string> done);

}  // namespace slicelet::shim
