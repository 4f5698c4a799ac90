#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "provider/pods/address_pool.h"
#include "provider/pods/orphan_judge.h"
#include "provider/pods/pod.h"
#include "provider/pods/referents.h"
#include "provider/store/hub_store.h"
#include "provider/translate/translate.h"

namespace slicelet::provider {

/// What a host can give only once.
HostClaim ClaimOf(const v1::Workload& workload);

/// All pods of a hub by uid, with what they refer to and the addresses they are shown under.
class PodBook {
 public:
  static constexpr std::size_t kMaxPods = 100'000;

  PodBook(TranslateOptions translate, AddressPool addresses)
      : translate_(std::move(translate)), addresses_(std::move(addresses)) {}

  [[nodiscard]] Pod* Find(const PodUid& uid);
  [[nodiscard]] const Pod* Find(const PodUid& uid) const;
  /// The newest pod of this name that is not being removed, else any.
  [[nodiscard]] Pod* FindByName(const NodeName& node, const std::string& ns, const std::string& name);
  /// By uid. Costs what there is on this node, not what the hub has.
  [[nodiscard]] std::vector<Pod*> OnNode(const NodeName& node);
  [[nodiscard]] const std::map<PodUid, Pod>& pods() const { return pods_; }

  /// A pod that is known from a host's manifest. `host` is set where that host is one of several.
  Pod& Learn(const NodeName& node, const v1::Deployment& deployment, const HostId& host = {});

  struct Applied {
    Pod* pod = nullptr;
    /// The workload, a reference or the refusal differs from before.
    bool changed = false;
    /// Kubernetes shows it on its way out.
    bool being_deleted = false;
  };
  /// InvalidArgument when the bytes are not a Pod of this node.
  absl::StatusOr<Applied> Apply(const v1::PodApply& apply, bool fleet = false);

  /// Nodes whose pods refer to it, or are made of it; empty when nothing changed.
  std::set<NodeName> ApplyReferent(const v1::ReferentApply& referent);
  void DeleteReferent(const v1::ReferentDelete& referent) { referents_.Delete(referent); }
  /// Forgets content of former shim sessions that no pod refers to.
  void DropUnusedReferents();
  [[nodiscard]] const Referents& referents() const { return referents_; }

  /// True when it is new, or its grace is shorter than before.
  static bool Stop(Pod& pod, std::int64_t grace_seconds);
  /// True when it differs from the last one in more than the time of observation and events.
  static bool SetStatus(Pod& pod, const v1::WorkloadStatus& status);
  /// The same for one host of a fleet node's pod.
  static bool SetStatus(Instance& instance, const v1::WorkloadStatus& status);
  void Forget(const PodUid& uid);

  /// The next shim session begins with nothing shown.
  void ForgetShown();

  /// What the shim is to write about the pod; a refused pod's failure too.
  [[nodiscard]] v1::PodReport ReportOf(const Pod& pod);

 private:
  // What has arrived of the ConfigMaps that the connector's pods are read with; nullopt: not all yet.
  [[nodiscard]] std::optional<ConnectorMaps> ConnectorMapsOf(const std::string& ns,
                                                             const std::set<ContentId>& references) const;
  [[nodiscard]] std::set<NodeName> NodesReferringTo(const std::string& ns, const ContentId& content) const;

  void Put(Pod& pod, const NodeName& node);

  TranslateOptions translate_;
  AddressPool addresses_;
  Referents referents_;
  std::map<PodUid, Pod> pods_;
  std::map<NodeName, std::map<PodUid, Pod*>> on_node_;
};

}  // namespace slicelet::provider
