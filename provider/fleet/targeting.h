#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/base/ids.h"
#include "provider/fleet/fleet_terms.h"
#include "provider/fleet/host_index.h"
#include "provider/fleet/room.h"

namespace slicelet::provider {

/// What a workload takes of a host that another one can not have too.
struct HostClaim {
  /// Protocol and number.
  std::set<std::pair<std::string, int>> ports;
  std::int64_t cpu_milli = 0;
  std::int64_t memory_bytes = 0;
  /// Containers whose request is left out.
  int without_cpu = 0;
  int without_memory = 0;
};

/// What placement counts it as.
Room RoomOf(const HostClaim& claim);

/// A host as the pods of one fleet node see it.
struct TargetHost {
  HostId id;
  TargetFacts facts;
  /// Its reported properties are known; before, what asks for them stays as it is.
  bool heard = true;
  /// False in maintenance: it keeps what it has.
  bool takes_new = true;
  /// For choosing; a chosen host stays chosen while it is away.
  bool reachable = true;
  /// 0: unknown, and then no limit.
  std::int64_t allocatable_cpu_milli = 0;
  std::int64_t allocatable_memory_bytes = 0;
  /// What runs there and is not this node's.
  HostClaim taken;
  /// What is being stopped there and has not gone yet.
  Room leaving;
  /// Bytes per second; nullopt: not known, and counts as nothing.
  std::optional<std::uint64_t> receive_rate;
};

/// A pod of the fleet node.
struct TargetPod {
  PodUid uid;
  /// NAMESPACE/NAME, for messages.
  std::string name;
  std::shared_ptr<const FleetTerms> terms;
  std::int32_t priority = 0;
  /// Orders pods by age; Unix nanoseconds.
  std::int64_t created = 0;
  HostClaim claim;
  /// Its hosts so far.
  std::set<HostId> current;
  /// Chosen ones that have been out of reach for longer than its autonomy: given up for others, once there
  /// are others.
  std::set<HostId> expired;
  /// Hosts that have not said themselves what they hold: of too many they are the first to go.
  std::set<HostId> unproved;
  /// Its instances there are over and take nothing any more.
  std::set<HostId> finished;
  /// It is over, or is being removed: nothing changes any more.
  bool frozen = false;
};

/// What one host is to a pod.
struct TargetVerdict {
  /// Who has what the pod would need, and why; empty: it runs there.
  PodUid winner;
  std::string superseded;
};

using Targets = std::map<PodUid, std::map<HostId, TargetVerdict>>;

/// Why a host was or was not chosen for a pod.
struct HostExplanation {
  HostId host;
  bool matched = false;
  /// It runs there, or is about to.
  bool chosen = false;
  /// Nullopt: the host has not told its size.
  std::optional<Room> free;
  std::optional<std::int64_t> max_replicas;
  std::optional<std::uint64_t> receive_rate;
  /// Why not.
  std::string reason;
};

/// Decides which hosts each pod of a fleet node is for, and which of two that can not share a host gets it:
/// higher priority first, then age (the older one; between base deployments the newer one, as in IoT Edge).
///
/// - A pod for all hosts is for each that its condition selects; in maintenance a host keeps what it has.
/// - Other pods keep the hosts they have while those match. What is missing is chosen, pod after pod in order
///   of priority, among hosts in reach that have room for one more (`MaxReplicas`) and would not give it to
///   somebody else: the one with the most room, the least, or the most traffic; of equals the first by name.
/// - Who is superseded or given up for another one makes room: it goes on until nothing changes.
///
/// Remembers what it decided, so that a change costs what it concerns. The result is that of deciding about
/// everything anew. Not thread-safe; no time, no chance.
class Targeting {
 public:
  Targeting() = default;
  Targeting(const Targeting&) = delete;
  Targeting& operator=(const Targeting&) = delete;

  /// It is new, or anything of it changed.
  void SetHost(TargetHost host);
  void RemoveHost(const HostId& host);
  /// Of a host that was set; counts where a pod chooses among hosts, and moves nobody.
  void SetRate(const HostId& host, std::optional<std::uint64_t> receive_rate);
  /// The same; `pod.current` counts, not what was decided before.
  void SetPod(TargetPod pod);
  void RemovePod(const PodUid& pod);

  /// By pod and host, what was decided; nullopt: the host is not for the pod (any more).
  using Changes = std::map<PodUid, std::map<HostId, std::optional<TargetVerdict>>>;
  /// Decides about what was set and removed, and reports what differs from before; of pods that were set,
  /// everything. `choose`: false while too little is known of the hosts to choose among them.
  Changes Run(bool choose = true);

  [[nodiscard]] bool Has(const HostId& host) const { return hosts_.count(host) != 0; }
  [[nodiscard]] Targets All() const;
  /// About all hosts; empty for a pod that is not known.
  [[nodiscard]] std::vector<HostExplanation> Explain(const PodUid& pod) const;

 private:
  struct PodEntry {
    TargetPod pod;
    std::map<HostId, TargetVerdict> verdicts;
    /// Set since the last decision: nothing is decided of it, and all will be reported.
    bool dirty = false;
    /// While it lacks hosts: no host has been looked at for it yet.
    bool looks_everywhere = true;
  };
  struct HostEntry {
    TargetHost host;
    /// The pods that are for it, in the order in which they get it.
    std::vector<PodEntry*> members;
    /// What runs there.
    Room load;
  };
  struct InOrder {
    bool operator()(const PodEntry* a, const PodEntry* b) const;
  };

  [[nodiscard]] static bool Selects(const PodEntry& pod, const HostEntry& host, bool current);
  template <typename Visit>
  void ForCandidates(const PodEntry& pod, Visit visit);
  void PlaceAll();
  void PlaceFrozen(PodEntry& pod);
  void Consider(PodEntry& pod, HostEntry& host);
  void Trim(PodEntry& pod);
  void Review(PodEntry& pod, HostEntry& host);
  void Join(PodEntry& pod, HostEntry& host);
  void Leave(PodEntry& pod, const HostId& host);
  void Detach(PodEntry& pod);
  void Settle(HostEntry& host);
  void Change(const PodEntry& pod, const HostId& host) {
    if (!pod.dirty) changed_[pod.pod.uid].insert(host);
  }
  [[nodiscard]] static std::size_t Lacks(const PodEntry& pod);
  void ChooseAll();
  bool Choose(PodEntry& pod);
  bool GiveUpExpired(PodEntry& pod);
  [[nodiscard]] static bool HasRoom(const PodEntry& pod, const HostEntry& host);
  /// Who would keep it from running there; empty: nobody.
  [[nodiscard]] static std::string LosesTo(const PodEntry& pod, const HostEntry& host);
  void Explain(const PodEntry& pod, const HostEntry& host, HostExplanation& out) const;

  std::map<HostId, HostEntry> hosts_;
  std::map<PodUid, PodEntry> pods_;
  HostIndex<HostEntry> index_;
  std::set<HostId> dirty_hosts_;
  std::set<PodUid> dirty_pods_;
  /// Hosts of which anything changed since the last choice.
  std::set<HostEntry*> touched_;
  /// Pods that lack hosts.
  std::set<PodEntry*, InOrder> short_;
  std::map<PodUid, std::set<HostId>> changed_;
};

/// All at once.
Targets SelectTargets(const std::vector<TargetPod>& pods, const std::vector<TargetHost>& hosts);

}  // namespace slicelet::provider
