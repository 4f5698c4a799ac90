#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "provider/api/shim_server.h"
#include "provider/fleet/fleet_terms.h"
#include "provider/fleet/host_registry.h"
#include "provider/fleet/targeting.h"
#include "provider/hub/hub.h"
#include "provider/hub/log_readings.h"
#include "provider/hub/merged_logs.h"
#include "provider/hub/stream_joiner.h"
#include "provider/link/host_links.h"
#include "provider/logs/log_tails.h"
#include "provider/manifest/blob_shelf.h"
#include "provider/manifest/content_sealer.h"
#include "provider/manifest/host_manifest.h"
#include "provider/manifest/manifest_proof.h"
#include "provider/pods/deployment_builder.h"
#include "provider/pods/orphan_judge.h"
#include "provider/pods/pod_book.h"

namespace slicelet::provider {

/// How the hub's parts meet: pods from the shim (hub_shim.cc) become manifests for hosts (hub_hosts.cc),
/// whose reports become pod reports (hub_pods.cc). What is different for nodes that stand for many hosts is
/// in hub_fleet.cc.
struct Hub::Impl : public LinkListener, public ShimServer::Listener {
  /// Between the last word of a workload and the manifest without it, so that those of many are dropped
  /// together.
  static constexpr Duration kTombstone = std::chrono::milliseconds(500);
  /// Reported statuses are stored this much later at the latest: what a host says, it says again.
  static constexpr Duration kSaveStatuses = std::chrono::seconds(5);
  static constexpr Duration kSweepAgain = std::chrono::minutes(1);
  /// Until records that a full disk refused are written again.
  static constexpr Duration kWriteAgain = std::chrono::seconds(10);
  /// Changes of an EdgeHost's status other than of its link are written together.
  static constexpr Duration kHostStatus = std::chrono::seconds(10);
  /// Another uid under the same name is judged with the list that showed it, which follows at once, or by
  /// itself.
  static constexpr Duration kDeferredEvidence = std::chrono::seconds(10);
  /// Until a host is asked again for the manifest it says it holds.
  static constexpr Duration kAskForProof = std::chrono::seconds(15);
  /// How long the first manifest of a host that lost its store waits for the content of all its pods.
  static constexpr Duration kAwaitContent = std::chrono::seconds(30);
  /// How long a host in reach that has yet to show what it holds keeps deletions of fleets' pods back.
  static constexpr Duration kAwaitShown = std::chrono::minutes(5);
  static constexpr std::size_t kMaxUnknownStops = 10'000;
  /// Readers of the logs of many hosts at one time.
  static constexpr std::size_t kMaxMergedLogs = 100;
  static constexpr std::size_t kMaxEarlyTokens = 10'000;
  /// Pods that are gone for good, so that a late word about them is answered at once.
  static constexpr std::size_t kMaxPurged = 4'096;

  /// Reports of many hosts about one pod become one report this much later.
  static constexpr Duration kFleetReport = std::chrono::milliseconds(50);
  /// As long for those who ask where pods are.
  static constexpr Duration kTellPlaces = std::chrono::milliseconds(50);
  /// After a start of the hub the API's last word about a fleet's pod stands until its hosts have answered,
  /// or this long.
  static constexpr Duration kFleetSilence = std::chrono::seconds(60);
  /// Until a fleet's pods are looked at again that wait for that.
  static constexpr Duration kFleetRetry = std::chrono::seconds(1);
  /// Beyond a pod's autonomy until its place is given away: its host stops it with a grace of 30 s, counted
  /// from the last it heard, and clocks differ.
  static constexpr Duration kAutonomyMargin = std::chrono::minutes(1);
  /// A fleet node's size and link change with each of its hosts; told together.
  static constexpr Duration kFleetNodeReport = std::chrono::milliseconds(500);

  /// A slice node: the evidence about its pods, and whom it stands for.
  struct NodeState {
    NodeState(NodeName the_name, HostId the_host, Loop& loop)
        : name(std::move(the_name)), host(std::move(the_host)), judging(loop), evidence(loop) {}

    const NodeName name;
    /// Empty for a fleet node.
    const HostId host;
    /// Of a fleet node: its hosts. None for one that manifests name and the configuration does not know.
    std::optional<TargetCondition> selection;
    std::unique_ptr<OrphanJudge> judge;
    std::map<PodUid, v1::Evidence> deferred;
    Timer judging;
    Timer evidence;
    /// Of a fleet node: who is where, and what may have changed of that since. Null: everything.
    std::unique_ptr<Targeting> targeting;
    std::set<HostId> changed_hosts;
    std::set<PodUid> changed_pods;
    /// As the shim was told.
    bool maintenance = false;

    [[nodiscard]] bool fleet() const { return host.empty(); }
  };

  /// A host, whether or not a node stands for it alone.
  struct HostState {
    HostState(HostId the_id, Loop& loop)
        : id(std::move(the_id)),
          node(id.value()),
          tombstones(loop),
          status_later(loop),
          proof(loop),
          content(loop),
          unlisted(loop),
          show(loop) {}

    const HostId id;
    const NodeName node;
    std::unique_ptr<HostManifest> manifest;

    /// What the host holds is known in this process life: nothing is numbered anew before.
    bool verified = false;
    bool awaiting_proof = false;
    bool amnesiac = false;
    Generation accepted;
    v1::NodeFacts facts;
    bool has_facts = false;
    /// slicelet.io/ManifestAccepted: whether the host takes what it is given. Without a type: not known yet.
    v1::Condition takes;
    std::string agent_version;
    /// Which of its stores it has, by its Birth.
    std::string store;
    /// No stream can be opened to it for logs: they are read piece by piece.
    bool log_ranges = false;
    /// Its own tags, from its Birth.
    std::map<std::string, std::string> tags;
    /// It has said in this process life what its pods do.
    bool reported = false;
    std::set<Digest> lost;
    /// Of a host that lost its store: what runs there, nullopt before it has said so.
    std::optional<std::set<PodUid>> unexplained;
    /// Since when some of that is in no list that the shims gave, and in no book of this hub.
    std::optional<MonotonicTime> unlisted_since;
    /// Since when it has been out of reach, in this process life.
    std::optional<MonotonicTime> away;
    /// Since when it has been in reach without having shown what it holds.
    std::optional<MonotonicTime> unshown;

    Timer tombstones;
    Timer status_later;
    Timer proof;
    /// While armed, the host is spared a first manifest that lacks a pod for want of content.
    Timer content;
    /// Until what is in no list counts as gone.
    Timer unlisted;
    /// Until deletions of fleets' pods wait for it no longer.
    Timer show;

    /// What this hub has of it is what it holds.
    [[nodiscard]] bool known() const { return verified && !amnesiac; }
    /// Of a host that lost its store.
    [[nodiscard]] bool MayRun(const PodUid& uid) const {
      return !unexplained || unexplained->count(uid) != 0;
    }
  };

  /// Records that are not stored as they are in memory.
  struct Unwritten {
    bool settings = false;
    std::set<HostId> hosts;
    /// Whether it was to be removed.
    std::map<NodeName, bool> nodes;
    std::set<PodUid> orphans;
    std::set<HubStore::StatusKey> statuses;
    std::set<PodUid> placements;

    Unwritten() = default;
    explicit Unwritten(const HubStore::Batch& batch);
    void Add(const Unwritten& other);
  };

  Impl(Options the_options, Dependencies dependencies);
  ~Impl() override;

  // hub.cc: life, nodes, the registry.
  void Load();
  /// Removes the ends of logs of pods that are not where they were read.
  void SweepLogTails();
  void Start();
  HostState& EnsureHost(const HostId& host);
  HostState* FindHost(const HostId& host);
  [[nodiscard]] const HostState* FindHost(const HostId& host) const;
  NodeState& EnsureNode(const NodeName& name, const HostId& host);
  NodeState* FindNode(const NodeName& name);
  /// The hub knows what every host of the node holds, as far as they can be reached.
  [[nodiscard]] bool Knows(const NodeState& node) const;
  void OnRegistryChanged(const std::set<HostId>& changed);
  void DeclareNodes();
  [[nodiscard]] bool Declares(const NodeState& node) const;
  /// A fleet node that has left the configuration, and whose pods have not: no shim will list them. They stay
  /// as they are until each is stopped.
  [[nodiscard]] bool Outlives(const NodeState& node) const { return node.fleet() && !Declares(node); }
  void DeclareNode(NodeState& node);
  void ReportNode(const NodeState& node);
  void ReportNodeOf(const HostState& host);
  void WriteHostStatus(HostState& host);
  void WriteHostStatusLater(HostState& host);
  void RetireNodes();

  // hub_records.cc: what is stored, and stored again when the store refused it.
  void Commit(HubStore::Batch batch);
  /// As they are now, those that the store refused.
  void WriteAgain();
  void KeepSweeping(std::vector<HubStore::LogTailKey> left);

  // hub_hosts.cc: LinkListener and the manifests.
  absl::Status Admit(const HostId& host) override;
  bool OnBirth(const HostId& host, const v1::Birth& birth, std::uint64_t session) override;
  void OnWelcomed(const HostId& host, const v1::Birth& birth) override;
  void OnAccepted(const HostId& host, const v1::Accepted& accepted) override;
  void OnRejected(const HostId& host, const v1::Rejected& rejected) override;
  void OnStatus(const HostId& host, const v1::StatusReport& report) override;
  void OnReply(const HostId& host, const v1::Reply& reply) override;
  void OnCredentialRequest(const HostId& host, const v1::CredentialRequest& request) override;
  void OnReachChanged(const HostId& host) override;
  absl::StatusOr<std::string> ReadBlob(const HostId& host, const Digest& digest) override;
  bool Draft(HostState& host, ManifestDraft& draft);
  /// The host lost its store and runs, or may run, what this hub has forgotten too and no list shows, or
  /// nobody can show yet.
  bool AwaitsUnlisted(HostState& host);
  /// Kubernetes lists the pod, and all that is known of it is that the host runs it.
  [[nodiscard]] bool IsUnapplied(const HostState& host, const PodUid& uid) const;
  void ForgetUnlisted(HostState& host);
  /// False: it can not be told yet what the host must have.
  bool DraftOwn(HostState& host, const DeploymentBuilder& builder, bool frozen, ManifestDraft& draft);
  bool DraftFleet(HostState& host, const NodeState& node, const DeploymentBuilder& builder, bool frozen,
                  ManifestDraft& draft);
  void LearnDeployments(HostState& host);
  /// `fresh`: blobs that the host can not have yet and would ask for next.
  void Deliver(HostState& host, const std::map<Digest, std::string>& fresh = {});
  void OnHolds(HostState& host, const Generation& generation);
  void OnProof(HostState& host, const v1::SignedManifest& claimed);
  /// What an older store held and the host, as it proved, does not any more is over.
  void ForgetEnded(HostState& host);
  void AskForProof(HostState& host);
  /// It holds a manifest that this hub's store knows nothing of.
  [[nodiscard]] static bool IsForgotten(const HostState& host, const Generation& held, const Digest& digest);
  void ClaimUnproved(HostState& host, const std::string& why);
  void SetTakes(HostState& host, bool takes, const std::string& reason, const std::string& why);
  void SendTokens(HostState& host);
  void SendToken(HostState& host, const Pod& pod, const v1::TokenApply& token);

  // hub_pods.cc: the life of one pod.
  void StopPod(Pod& pod, std::int64_t grace_seconds);
  [[nodiscard]] std::int64_t GraceOf(const Pod& pod);
  /// The hosts that run it or are about to: one, or many of a fleet.
  [[nodiscard]] std::vector<HostState*> HostsOf(const Pod& pod);
  void TouchHostsOf(const Pod& pod);
  [[nodiscard]] bool IsHeld(const Pod& pod);
  void SettleStops(HostState& host);
  void OnWorkloadStatus(HostState& host, const v1::WorkloadStatus& status);
  void OnGone(HostState& host, Pod& pod, const v1::WorkloadStatus& last);
  void SendGone(const Pod& pod, const v1::WorkloadStatus* last);
  /// Forgets a pod that is gone and that no manifest holds; one that is wanted again begins anew.
  void Purge(const Pod& pod);
  void SendReport(Pod& pod, const v1::WorkloadStatus* with_events);
  /// Why no host takes the pod; nullopt when one did, or may do so at any moment.
  [[nodiscard]] std::optional<v1::Condition> NotPlaced(const Pod& pod);
  void ReportWaiting(const HostState& host);
  void SendEvent(const Pod& pod, const std::string& reason, const std::string& message);
  void SendEvent(const Pod& pod, v1::WorkloadEvent event);
  void TellIgnoredFields(Pod& pod);
  void PurgeTombstones(HostState& host);
  void ForgetPod(const PodUid& uid);
  void SaveStatusLater(const PodUid& uid, const HostId& host);
  void SaveStatuses();
  /// False: there is none.
  bool SaveStatus(const HubStore::StatusKey& key, HubStore::Batch& batch);
  [[nodiscard]] std::vector<OrphanJudge::KnownPod> KnownPods(const NodeState& node);
  void Run(NodeState& node, const OrphanJudge::Actions& actions);
  void SaveNode(const NodeState& node, HubStore::Batch& batch) const;
  void SaveRetired(const NodeName& node, HubStore::Batch& batch) const;

  // hub_fleet.cc: nodes that stand for many hosts, and their pods.
  void LoadFleets();
  [[nodiscard]] bool BelongsTo(const HostState& host, const NodeState& node) const;
  [[nodiscard]] TargetFacts FactsOf(const HostState& host) const;
  /// Everything may have changed, or one host, or one pod with what it takes of all its hosts, or of one.
  void RetargetLater();
  void RetargetLater(const HostId& host);
  void RetargetLater(const Pod& pod);
  void RetargetLater(const Pod& pod, const HostId& host);
  void RetargetSoon();
  void Retarget();
  void RetargetNode(NodeState& node);
  /// As one of the node's hosts; nullopt when it is none. Without what others have there.
  [[nodiscard]] std::optional<TargetHost> TargetHostOf(const NodeState& node, const HostState& host);
  /// Adds what the pod takes of `host` and does not compete for.
  void TakeFor(const NodeState& node, const Pod& pod, const HostId& host, TargetHost& target);
  /// How busy the hosts are now, for pods that ask.
  void SetRates(NodeState& node);
  [[nodiscard]] TargetPod TargetPodOf(const Pod& pod);
  void SetTargetHosts(NodeState& node, const std::set<HostId>* only);
  void SetTargetPods(NodeState& node, const std::set<PodUid>* only);
  /// Enough is known of the hosts to choose among them.
  [[nodiscard]] bool MayChoose(const NodeState& node);
  /// `whole`: hosts that `changes` does not name are not the pod's.
  void ApplyTargets(Pod& pod, const std::map<HostId, std::optional<TargetVerdict>>& changes, bool whole);
  /// The pod has been on a host out of reach for longer than its autonomy; nullopt: that is no matter.
  [[nodiscard]] std::optional<MonotonicTime> AutonomyEnds(const Pod& pod, const HostId& host);
  void WatchAutonomy();
  void DropInstance(Pod& pod, const HostId& host, HubStore::Batch& batch);
  void SavePlacement(const Pod& pod);
  static v1::PlacementRecord PlacementOf(const Pod& pod, const std::set<HostId>& chosen);
  /// What the pod waits for on that host, nullopt: nothing; empty: somebody who is leaving.
  [[nodiscard]] std::optional<std::string> WaitsForPlace(const HostState& host, const Pod& pod);
  void OnInstanceStatus(HostState& host, Pod& pod, const v1::WorkloadStatus& status);
  void OnInstanceGone(HostState& host, Pod& pod, Instance& instance, const v1::WorkloadStatus& last);
  void SettleFleetStop(Pod& pod);
  void SettleFleetStops();
  /// The host has become known, or is so no more, or came or went.
  void WatchShown(HostState& host);
  /// A deletion of the pod does not wait for the host: it learns of it by its next manifest.
  [[nodiscard]] bool IsPassedOver(const HostState& host, const Pod& pod);
  void PurgeInstances(HostState& host);
  void OnHostChanged(const HostState& host);
  void SummarizeLater(const PodUid& uid);
  void SummarizeFleets();
  [[nodiscard]] bool IsHeard(const Pod& pod);
  void Summarize(Pod& pod);
  void StopLeftovers(Pod& pod);
  /// Hosts that may have it, and have not said so since the hub started.
  [[nodiscard]] std::vector<HostId> MayAlsoRunOn(const Pod& pod);
  void ReportFleetsLater();
  void ReportFleet(const NodeState& node);
  void ShowRefusal(Pod& pod);
  void DropHost(const HostId& host, HubStore::Batch& batch);
  absl::Status DecommissionFleet(const NodeState& node, bool force);
  /// With what else is to be forgotten of it. The shim is asked until it says that the Node object is gone.
  void GiveUpNode(const NodeName& name, std::size_t workloads, HubStore::Batch batch);
  [[nodiscard]] absl::StatusOr<HostId> HostForStream(const Pod& pod, const std::string& wanted);
  /// hub_places.cc
  [[nodiscard]] bool IsBarred(const HostId& host) const;
  [[nodiscard]] bool IsDecided(const Pod& pod) const;
  void PlacesChanged();
  /// hub_explain.cc
  void ExplainHost(const HostState& host, const Pod& pod, v1::ExplainPodReply::Entry& out);
  [[nodiscard]] std::string NotOnNode(const HostId& id, const NodeState& node);
  void AddFleetEntries(const Pod& pod, v1::PodHostsReply& reply);

  // hub_shim.cc: ShimServer::Listener.
  void OnShimHello() override;
  void OnShimMessage(const v1::ShimMessage& message) override;
  void OnShimGone() override;
  void OnPodApply(const v1::PodApply& apply);
  /// What is known of the pod changed: it may be what the first manifest of a host waits for.
  void TouchHostsThatRun(const PodUid& uid);
  void OnPodStop(const v1::PodStop& stop);
  void OnPodForget(const v1::PodForget& forget);
  void OnSynced(const v1::Synced& synced);
  void OnTokenApply(const v1::TokenApply& token);
  void KeepToken(Pod& pod, const v1::TokenApply& token);
  void JudgeDeferred(NodeState& node);
  void OnUnknownStop(const PodUid& uid, std::int64_t grace_seconds);
  bool StopUnknown(const NodeState& node, const PodUid& uid, std::int64_t grace_seconds);
  void SettleUnknownStops();
  void OnNodeRetired(const NodeName& node);

  // hub_admin.cc
  [[nodiscard]] v1::ListHostsReply ListHosts() const;
  [[nodiscard]] absl::StatusOr<v1::PodHostsReply> PodHosts(const v1::PodHostsRequest& request);
  [[nodiscard]] absl::StatusOr<v1::ExplainPodReply> ExplainPod(const v1::ExplainPodRequest& request);
  [[nodiscard]] v1::ListOrphansReply ListOrphans() const;
  absl::StatusOr<v1::DecideOrphansReply> DecideOrphans(const v1::DecideOrphansRequest& request);
  absl::Status DecommissionNode(const v1::DecommissionNodeRequest& request);

  // hub_streams.cc
  void OnStream(const v1::StreamHead& head, std::shared_ptr<FrameStream> stream);
  void CloseStreams(const HostId& host, const absl::Status& status);
  /// Dropped when the host is not connected.
  void SendCommand(const HostId& host, v1::Command command);
  void AskForStream(const HostId& host, const Pod& pod, const v1::StreamHead& head,
                    std::shared_ptr<FrameStream> stream);
  void LogsOfAll(const Pod& pod, const v1::StreamHead& head, std::shared_ptr<FrameStream> stream);

  /// What the host said last of the pod; nullptr: nothing yet.
  [[nodiscard]] const v1::WorkloadStatus* StatusOn(const HostId& host, const Pod& pod) const;
  /// The pod's status, or what it says of its logs, may have changed: on one of its hosts, on all.
  void LookAtLogs(const HostId& host, const Pod& pod);
  void LookAtLogs(const Pod& pod);
  /// What is kept of a log, as it is shown while the host is away; nullopt where nothing is.
  [[nodiscard]] std::optional<std::string> TailFor(const HostId& host, const v1::StreamHead& head);
  [[nodiscard]] absl::StatusOr<std::string> ShowTail(const HostId& host, const v1::StreamHead& head);
  void AnswerFromTail(const HostId& host, const Pod& pod, const v1::StreamHead& head,
                      const absl::Status& away, std::shared_ptr<FrameStream> stream);
  /// Of a fleet's pod, no host of which is connected: the one whose log was read last, else `otherwise`.
  [[nodiscard]] absl::StatusOr<HostId> HostWithTail(const Pod& pod, const v1::StreamHead& head,
                                                    absl::StatusOr<HostId> otherwise) const;

  const Options options;
  const Dependencies d;
  const std::string incarnation;
  v1::HubSettings settings;
  BlobShelf shelf;
  ContentSealer sealer;
  ManifestProof proof;
  PodBook book;
  StreamJoiner streams;
  LogReadings log_readings;
  LogTails tails;
  /// Readers of many hosts' logs.
  std::map<std::uint64_t, std::shared_ptr<void>> merged_logs;
  std::uint64_t last_merged_logs = 0;
  HostRegistry registry;
  HostLinks links;
  ShimServer shims;
  std::map<HostId, std::unique_ptr<HostState>> hosts;
  std::map<NodeName, std::unique_ptr<NodeState>> nodes;
  /// Those that stand for many hosts; they stay for this process life.
  std::vector<NodeState*> fleets;
  /// The nodes whose slice is not the configured one.
  std::map<NodeName, std::string> slices;
  /// Removed in this process life: what the store held of them when it was opened counts no more.
  std::set<HostId> decommissioned;
  /// Nodes that were given up, until the shim says that their objects are gone.
  std::set<NodeName> retiring;
  /// The present shim has been told the nodes.
  bool declared = false;
  /// Deletions of pods that no manifest known so far holds: a host may yet prove that it does.
  std::map<PodUid, std::int64_t> unknown_stops;
  /// Tokens of pods that the shim has not applied yet, because they wait for something else.
  std::map<PodUid, std::map<std::string, v1::TokenApply>> early_tokens;
  std::deque<std::pair<PodUid, NodeName>> purged;
  std::set<HubStore::StatusKey> unsaved_statuses;
  Timer save_statuses;
  MonotonicTime started{};
  bool retarget_posted = false;
  /// Pods of fleet nodes whose report may differ from the last one.
  std::set<PodUid> unsummarized;
  /// Pods that are over, but for hosts that were not heard: looked at again when something of the hosts
  /// changes.
  std::set<PodUid> undecided_ends;
  Timer summarize;
  Timer report_fleets;
  Timer autonomy_ends;
  /// Empty: nobody asks.
  std::function<void()> places_changed;
  Timer tell_places;
  Timer sweep_tails;
  Unwritten unwritten;
  Timer write_again;
  /// Hosts that were chosen for pods, also before they are known again.
  std::map<PodUid, std::set<HostId>> placements;
  Lifetime lifetime;
};

}  // namespace slicelet::provider
