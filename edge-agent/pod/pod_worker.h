#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/base/ids.h"
#include "common/loop/loop.h"
#include "edge-agent/edgex/edgex_client.h"
#include "edge-agent/images/image_provider.h"
#include "edge-agent/pod/pod_model.h"
#include "edge-agent/pod/pod_plan.h"
#include "edge-agent/pod/pod_supervisor.h"
#include "edge-agent/pod/start_queue.h"
#include "edge-agent/probes/container_probes.h"
#include "edge-agent/volumes/pod_volumes.h"

namespace slicelet::agent {

class DeviceProvisioner;
class ReadingCounter;

/// One pod: keeps its model, asks `PlanPod` after everything that happens, carries the plan out, makes the
/// record durable and then shows the status. Never runs two operations on one object at a time.
class PodWorker {
 public:
  /// What workers have in common; outlives them.
  struct Shared {
    const PodSupervisor::Options& options;
    const PodSupervisor::Dependencies& dependencies;
    ImageProvider& images;
    StartQueue& starts;
    /// The status or the existence of this pod changed.
    std::function<void(const PodUid&, bool urgent)> changed;
    /// A call's outcome is unknown: list everything again soon.
    std::function<void()> relist;
    std::function<const v1::StoredCredential*(const PodUid&, const std::string& name)> credential;
    std::function<bool(const Digest&)> has_blob;
    /// It was thought to be in the store, and is not: it has to be fetched again.
    std::function<void(const Digest&)> blob_lost;
  };

  /// A record from the store, or nullptr for a new pod.
  PodWorker(Shared& shared, PodUid uid, const v1::PodRecord* record);
  ~PodWorker();

  // ---- What is wanted

  /// The manifest's entry. It takes effect when all its blobs are there; its stop at once.
  void SetDesired(const v1::Deployment& deployment);
  /// The accepted manifest does not hold this pod (any more).
  void SetAbsent();
  /// Blobs or credentials arrived.
  void OnContentStored();
  /// The host's own address is another one, or it lost it, or has it again.
  void OnHostAddress() { Kick(); }
  /// What `SetDesired` waits for.
  [[nodiscard]] std::vector<Digest> MissingBlobs() const;
  [[nodiscard]] std::vector<Digest> LiveBlobs() const;
  [[nodiscard]] std::vector<std::string> MissingCredentials() const;
  void AddImageNames(std::set<std::string>& names) const;

  // ---- What is observed

  /// A listing of the runtime that began at `since`; the first one begins the work.
  void Reconcile(const std::vector<Sandbox>& sandboxes, const std::vector<Container>& containers,
                 MonotonicTime since);
  [[nodiscard]] bool Owns(const std::string& id) const;
  /// Something happened to the container or sandbox of this id.
  void OnWakeUp(const std::string& id);

  // ---- What is shown

  /// nullptr until something durable can be said.
  [[nodiscard]] const v1::WorkloadStatus* status() const { return published_ ? &*published_ : nullptr; }
  /// Whoever is to know of the status was told.
  void OnTold() { told_ = true; }
  [[nodiscard]] bool gone() const { return gone_; }
  /// Gone, and not in the manifest: may be forgotten.
  [[nodiscard]] bool finished() const { return gone_ && absent_; }
  /// Gone, but the manifest holds it without a stop.
  [[nodiscard]] std::optional<v1::Deployment> wanted_again() const {
    return gone_ && desired_ && !desired_->has_stop() ? desired_ : std::nullopt;
  }
  [[nodiscard]] absl::StatusOr<PodSupervisor::ContainerLocation> Locate(const std::string& container) const;
  /// Rotates the logs of running containers that grew too large.
  void RotateLogs();

 private:
  // pod_worker.cc: what is wanted, planning, durability
  [[nodiscard]] bool Ready(const v1::Deployment& deployment) const;
  /// From a manifest, a record or a label: they become paths, so what is no name is not taken.
  void TakeNames(const std::string& ns, const std::string& name);
  void TakeEffect(const v1::Deployment& deployment);
  /// False when the store does not hold it any more.
  bool LoadWorkload();
  void BeginStop(Duration grace);
  void Kick();
  void Execute(const PodPlan& plan);
  void Commit();
  void Publish();
  /// From now on this is the status, with the events since the one that was told.
  void Show(v1::WorkloadStatus status, bool urgent);
  void Event(bool warning, const std::string& reason, const std::string& message,
             const std::string& container = "");
  [[nodiscard]] absl::StatusOr<std::string> Open(const std::string& content_id, const std::string& bytes,
                                                 bool sealed) const;
  [[nodiscard]] absl::StatusOr<v1::FileSet> ReadContent(const std::string& content_id) const;
  [[nodiscard]] PodVolumes::Sources VolumeSources() const;
  [[nodiscard]] HostFacts Facts() const;
  /// Where containers of this pod are reached from the host now. `first`, for pods on the host's network: the
  /// address of the host that was its own when the container started.
  [[nodiscard]] std::optional<CheckHost> FindCheckHost(const std::string& first) const;
  [[nodiscard]] const v1::Container* SpecOf(const std::string& name, bool* init = nullptr) const;
  [[nodiscard]] std::int64_t Wall() const;
  [[nodiscard]] MonotonicTime Now() const;
  void SetSetback(std::optional<Setback>& setback, const std::string& reason, const std::string& message,
                  Duration base, Duration cap);
  /// True (and a relist is on its way) when the call may have taken effect in spite of its failure.
  bool IsUncertain(const absl::Status& status);

  // pod_worker_start.cc: sandbox, images, volumes, containers
  void PrepareVolumes();
  /// Where the volumes do not hold what they should, they are written again until they do. What runs goes on.
  void NoteVolumes(const absl::Status& written);
  void RunSandbox();
  void MakeSandbox(const StartQueue::Turn& turn);
  void OnSandboxMade(const std::string& id);
  void AskSandboxAddress();
  void EnsureImage(const std::string& name);
  [[nodiscard]] std::vector<RegistryAuth> PullCredentials(const std::string& image);
  void StartContainer(const std::string& name);
  [[nodiscard]] absl::StatusOr<ContainerConfig> BuildContainer(const v1::Container& container, bool init,
                                                               std::uint32_t attempt);
  void OnCreated(const std::string& name, std::uint32_t attempt, const std::string& image,
                 const std::string& image_id, const std::string& id, const StartQueue::Turn& turn);
  void OnStartFailed(const std::string& name, const std::string& id, const absl::Status& status);
  /// Learns what became of a start, and asks again until it is known.
  void Settle(const std::string& name, const std::string& id, const absl::Status& start);
  void OnRunning(const std::string& name, bool adopted);

  // pod_worker_stop.cc
  void StopContainer(const PodPlan::Stop& stop);
  void StopNow(const std::string& name, const std::string& id);
  void StopSandbox();
  void RemoveEverything();
  void FinishRemoval();
  void CollectGarbage();
  void RemoveStale(const std::string& name, const std::string& id);
  void RemoveStaleSandbox(const std::string& id);

  // pod_worker_observe.cc
  void AdoptSandboxes(const std::vector<Sandbox>& sandboxes, MonotonicTime since);
  /// Asks the runtime about one container of this name and takes the answer in; then calls `done(answered)`
  /// and plans.
  void Inspect(const std::string& name, const std::string& id, std::function<void(bool)> done = {});
  void TakeIn(const std::string& name, const Container& container);
  void EndUnknown(const std::string& name, const std::string& id);
  [[nodiscard]] std::string TerminationMessage(const Container& container);
  /// The runtime listed this container, which is news, and then did not tell of it. It is asked again for a
  /// while, then its list has to do.
  void OnUnanswered(const std::string& name, Container listed);
  /// The runtime did not tell of this container: has it been asked for so long that there is no use in it?
  bool AskedForLong(const std::string& id);
  void EndAdoption();

  // pod_worker_devices.cc
  /// Reads a gateway's IoT devices out of their volume.
  void LoadDevices();
  /// Takes what core-metadata and core-data said into the model.
  void ShowDevices();
  /// Where the container `name` answers; nullopt while it is not ready.
  [[nodiscard]] std::optional<EdgexClient::Endpoint> EdgexEndpoint(const std::string& name,
                                                                   std::int32_t port) const;
  /// Tells whether core-metadata and core-data are ready.
  void FollowEdgex();

  Shared& shared_;
  const PodUid uid_;
  PodModel model_;
  PodPlan plan_;
  PodVolumes volumes_;
  std::optional<v1::Deployment> desired_;
  bool absent_ = false;
  bool workload_loaded_ = false;
  /// When the time of `activeDeadlineSeconds` began, on the loop's clock.
  std::optional<MonotonicTime> active_since_;
  /// The sandbox counts as busy, but its turn has not come.
  bool sandbox_waits_ = false;

  /// Nothing is begun before the runtime's state is known.
  bool adopted_ = false;
  int adopting_ = 0;
  /// Something that was listed is not known: nothing may be begun yet.
  bool unanswered_ = false;
  /// By container id: when the first answer stayed away.
  std::map<std::string, MonotonicTime> unanswered_since_;
  bool in_kick_ = false;
  bool kick_again_ = false;
  Timer wake_;
  Timer retry_commit_;

  std::map<std::string, std::unique_ptr<ContainerProbes>> probes_;
  /// Of a gateway that has IoT devices.
  std::unique_ptr<DeviceProvisioner> devices_;
  /// Their content could not be read: it is looked at again when content arrives.
  bool devices_unread_ = false;
  std::unique_ptr<ReadingCounter> readings_;
  /// Adopted containers whose readiness is not known again yet: the last report stands until it is.
  std::set<std::string> unsettled_;
  /// Containers whose start is under way, and whose runtime may answer yet. What leads to a start is told
  /// with its end, a moment later: each word of a pod's status costs every part on its way more than this.
  std::set<std::string> starting_;
  struct Inspection {
    bool again = false;
    std::vector<std::function<void(bool)>> done;
  };
  std::map<std::string, Inspection> inspections_;  // by container id
  /// When the object of this id (or name) last changed by our own doing: older listings say nothing about it.
  std::map<std::string, MonotonicTime> touched_;
  std::set<std::string> stale_;
  std::set<std::string> stale_sandboxes_;
  /// Containers and sandboxes to be removed once what they told is durable.
  std::vector<std::string> garbage_, garbage_sandboxes_;

  std::string committed_;
  int commits_ = 0;
  bool commit_failed_ = false;
  bool removing_ = false;
  bool gone_ = false;
  std::optional<v1::WorkloadStatus> published_;
  /// Whether anybody was told of it.
  bool told_ = false;
  std::deque<v1::WorkloadEvent> events_;
  std::map<std::string, int> backoff_told_;
  Lifetime lifetime_;
};

}  // namespace slicelet::agent
