#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/base/ids.h"
#include "common/base/time.h"
#include "slicelet/v1/hub_store.pb.h"
#include "slicelet/v1/provider.pb.h"
#include "slicelet/v1/workload.pb.h"

namespace slicelet::provider {

/// Decides, for one node, whether a pod that is missing from Kubernetes' list may be removed from its host.
///
///   present --missing--> Orphaned --GET says gone--> confirmed once --`confirm` later, GET says gone-->
///   removed
///      ^                    |  |                          |
///      |                    |  '-- cluster looks restored or exchanged, or too many vanished --> Held
///      '----shown again-----'-----------------------------'                                       |
///                                                             operator: keep --> Kept, remove --> removed
///
/// A cluster looks restored or exchanged when kube-system's uid changed, or the list's or our lease's
/// resourceVersion is below the highest recorded. Too many: more than three and at least half of the node's
/// pods. No evidence counts for a held pod but the operator's. A state machine without I/O: each call returns
/// what to do.
class OrphanJudge {
 public:
  struct Options {
    /// Between the two GETs. In running time: a provider's restart begins anew.
    Duration confirm = std::chrono::minutes(10);
    /// A GET that was not answered is asked for again after this.
    Duration ask_again = std::chrono::seconds(30);
  };
  static constexpr std::size_t kFewPods = 3;

  struct KnownPod {
    PodUid uid;
    std::string ns;
    std::string name;
  };
  struct Actions {
    /// Ask the shim to GET these.
    std::vector<v1::ConfirmPod> confirm;
    /// These may be removed, on this evidence.
    std::vector<std::pair<PodUid, v1::Evidence>> remove;
    /// The node's record or held condition changed.
    bool node_changed = false;
    /// Their records changed; nullopt: gone.
    std::map<PodUid, std::optional<v1::OrphanRecord>> orphans;
  };

  OrphanJudge(Options options, v1::NodeRecord node, std::map<PodUid, v1::OrphanRecord> orphans);

  /// The shim listed the node's pods. `known`: what the hosts run of this node and nobody asked to stop.
  /// `evidence`: deletions that only the list can vouch for (another uid under the same name).
  Actions OnSynced(const v1::Synced& synced, const std::vector<KnownPod>& known,
                   const std::map<PodUid, v1::Evidence>& evidence, MonotonicTime now, WallTime wall);
  /// More became known (a host proved what it holds). Judged against the last list, if there is one.
  Actions OnKnown(const std::vector<KnownPod>& known, MonotonicTime now, WallTime wall);
  /// The shim showed the pod.
  Actions OnApplied(const PodUid& uid);
  Actions OnConfirmed(const v1::PodConfirmed& confirmed, MonotonicTime now, WallTime wall);
  /// An operator's word about an orphaned or held pod; does nothing for others.
  Actions Decide(const PodUid& uid, bool keep);
  /// Asks again what is due.
  Actions OnTime(MonotonicTime now);
  /// When to call `OnTime` next.
  [[nodiscard]] std::optional<MonotonicTime> NextDue() const;
  /// The shim is gone: nothing is judged or asked before its next list.
  void OnShimGone();
  /// The pod is gone for good.
  Actions Forget(const PodUid& uid);

  /// Whether evidence from the shim may remove this pod now.
  [[nodiscard]] bool Counts(const PodUid& uid) const;
  /// The last list, or the shim since, showed it.
  [[nodiscard]] bool Presents(const PodUid& uid) const { return present_ && present_->count(uid) != 0; }
  [[nodiscard]] bool synced() const { return present_.has_value(); }
  /// Kubernetes lacks a pod that nobody deleted, and nobody has decided about it: it may lack others too.
  [[nodiscard]] bool Misses() const;
  [[nodiscard]] const v1::NodeRecord& node() const { return node_; }
  [[nodiscard]] std::vector<v1::OrphanRecord> Orphans() const;
  /// slicelet.io/PodsHeld, true while removals are held.
  [[nodiscard]] v1::Condition held() const;

 private:
  struct Orphan {
    v1::OrphanRecord record;
    std::optional<MonotonicTime> first_confirmed;
    MonotonicTime due{};
  };
  struct Suspicion {
    std::string reason;
    std::string message;
  };

  [[nodiscard]] std::optional<Suspicion> Suspect(const std::string& cluster_uid, std::uint64_t list_version,
                                                 std::uint64_t lease_version) const;
  void JudgeMissing(const std::vector<KnownPod>& known, const std::optional<Suspicion>& suspicion,
                    MonotonicTime now, WallTime wall, Actions& actions);
  void Hold(const Suspicion& why, WallTime wall, Actions& actions);
  void Ask(Orphan& orphan, MonotonicTime now, Actions& actions) const;
  void Erase(const PodUid& uid, Actions& actions);
  // Nothing is held any more: the cluster as it is now becomes the one to compare with.
  void ReleaseIfDecided(Actions& actions);

  const Options options_;
  v1::NodeRecord node_;
  std::map<PodUid, Orphan> orphans_;
  // What Kubernetes shows, since the last list.
  std::optional<std::set<PodUid>> present_;
  v1::Synced last_;
};

}  // namespace slicelet::provider
