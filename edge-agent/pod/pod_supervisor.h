#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/base/file_system.h"
#include "common/base/ids.h"
#include "common/base/random.h"
#include "common/base/time.h"
#include "common/crypto/sealing.h"
#include "common/loop/loop.h"
#include "edge-agent/pod/host_policy.h"
#include "edge-agent/runtime/container_runtime.h"
#include "edge-agent/store/agent_store.h"
#include "slicelet/v1/manifest.pb.h"
#include "slicelet/v1/workload.pb.h"

namespace slicelet::agent {

class EdgexClient;
class Prober;

/// Runs what the accepted manifest says: one worker per pod uid, level-triggered, over the container runtime.
///
/// It needs no network and no hub: on start it is given the stored manifest, adopts what already runs and
/// starts what the restart policies still allow. For one pod uid only a changed image restarts a container.
class PodSupervisor {
 public:
  struct Options {
    std::string hub_id;
    HostId host;
    /// Another one after every start of the machine; "" where nobody knows.
    std::string boot_id;
    /// Volumes and pod files: ROOT/pods/UID/...
    std::string root = "/var/lib/slicelet";
    /// ROOT/NS_POD_UID/CONTAINER/ATTEMPT.log
    std::string log_root = "/var/log/pods";
    std::string cgroup_parent = "/slicelet";
    HostPolicy policy;
    /// Repair: everything is listed again this often, and at once after the event stream broke.
    Duration relist = std::chrono::minutes(5);
    /// The host's own address, for status.hostIP and host-network pods, until `SetHostIp`.
    std::string host_ip;
    std::int64_t allocatable_cpu_milli = 0;
    std::int64_t allocatable_memory_bytes = 0;
    /// Pods whose start is under way at the same time; others wait for them.
    int starts_at_once = 4;
    /// Container log rotation.
    std::uint64_t log_max_bytes = std::uint64_t{10} * 1024 * 1024;
    int log_max_files = 5;
    /// What is told of IoT devices' readings is told at most this often.
    Duration readings_period = std::chrono::minutes(1);
  };

  struct Dependencies {
    Loop& loop;
    Clock& clock;
    Random& random;
    FileSystem& files;
    AgentStore& store;
    ContainerRuntime& runtime;
    const Opener& opener;
    /// HTTP, TCP and gRPC checks; exec goes through the runtime.
    Prober& prober;
    /// For gateways' IoT devices; nullptr where they are nobody's business.
    EdgexClient* edgex = nullptr;
    /// Whether the host has this address now. Empty: it loses none.
    std::function<bool(const std::string& address)> has_address = {};
  };

  /// The dependencies must outlive this object.
  PodSupervisor(Options options, const Dependencies& dependencies);
  ~PodSupervisor();

  /// Loads records and the stored manifest from the store, lists the runtime, and begins to converge. Call
  /// once.
  void Start();

  /// The desired set from now on. The manifest is already durable. Workloads whose blobs are not all stored
  /// wait for them on their own; stops apply at once. A uid that is running but neither listed nor stopped in
  /// the manifest is removed (its absence in a signed manifest is the hub's evidence).
  void Apply(const v1::Manifest& manifest);

  /// The host's own address from now on. To be told from time to time, the same too: a host may have lost it.
  void SetHostIp(const std::string& address);

  /// Digests that workloads wait for, for `Fetch`.
  [[nodiscard]] std::vector<Digest> MissingBlobs() const;
  /// New blobs are durable: workloads that waited for them go on.
  void OnBlobsStored();
  /// The credential is durable: tokens in volumes are rewritten.
  void OnCredentialStored(const v1::StoredCredential& credential);
  /// (uid, name) of credentials that workloads name and the store does not hold.
  [[nodiscard]] std::vector<std::pair<PodUid, std::string>> MissingCredentials() const;

  /// What a status report says. Only what is durable is ever reported. A pod is missing from it until its
  /// state is known: before the runtime was listed, while adopted containers have not been probed again,
  /// before its workload is there. `events` are those since the status before: who batches reports collects
  /// them at every `OnStatusChanged`.
  [[nodiscard]] std::vector<v1::WorkloadStatus> Statuses() const;
  [[nodiscard]] const v1::WorkloadStatus* FindStatus(const PodUid& uid) const;
  /// The pods that run without any manifest: nullopt once one was accepted, and before the runtime was
  /// listed.
  [[nodiscard]] const std::optional<std::set<PodUid>>& Unexplained() const;

  /// Called with the uids whose status changed. `urgent`: a container exited or readiness changed.
  void OnStatusChanged(std::function<void(const std::vector<PodUid>&, bool urgent)> changed);

  /// For logs and streams: the runtime's ids and the log files of a container. NotFound when unknown.
  struct ContainerLocation {
    std::string sandbox_id;
    std::string container_id;       // the current or last instance
    std::vector<std::string> logs;  // log files of the current instance, oldest first (rotated ones before)
    std::vector<std::string> previous_logs;
    bool running = false;
  };
  [[nodiscard]] absl::StatusOr<ContainerLocation> Locate(const PodUid& uid,
                                                         const std::string& container) const;

  /// Blobs that the manifest or a running pod still needs; others may be dropped from the store.
  [[nodiscard]] std::vector<Digest> LiveBlobs() const;
  /// The images that the manifest's pods name, whether they run now or not. nullopt while no manifest says
  /// what is wanted.
  [[nodiscard]] std::optional<std::set<std::string>> ImageNames() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace slicelet::agent
