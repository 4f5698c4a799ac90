#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/base/random.h"
#include "common/loop/loop.h"
#include "edge-agent/runtime/container_runtime.h"

namespace slicelet::agent {

class ScriptedRuntime;

/// What containers made from one image do, and how it gets onto the host.
struct ImageScript {
  /// On the host from the beginning; else it has to be pulled.
  bool present = false;
  /// The registry does not know it: pulling answers NotFound.
  bool missing = false;
  Duration pull_time = std::chrono::milliseconds(500);
  /// Pulling needs this user name; anything else is refused.
  std::string pull_user;
  /// Ends by itself this long after its start; absent: runs until it is stopped.
  std::optional<Duration> exits_after;
  std::int32_t exit_code = 0;
  /// StartContainer fails, and the container is left Exited with StartError.
  bool fails_to_start = false;
  /// Only the end of the grace period stops it (exit code 137).
  bool ignores_sigterm = false;
  /// From SIGTERM to the exit.
  Duration stop_time = std::chrono::milliseconds(20);
  std::int32_t stop_exit_code = 0;
  std::optional<std::int64_t> user;
  std::string username;
  std::uint64_t size = 1'000'000;
  bool pinned = false;
  /// Answers ExecSync; nullopt hangs until the timeout. Absent: exit code 0.
  std::function<std::optional<ExecResult>(const std::vector<std::string>& command)> exec;
};

/// One machine's containers, sandboxes and images: what a container runtime has on disk and in the kernel. It
/// outlives the agent (destroy the `ScriptedRuntime` to kill the agent, make another to start it again) and
/// keeps books for the invariants: every start, and every moment at which two instances of one (pod uid,
/// container) ran.
class ScriptedHost {
 public:
  struct Latency {
    Duration call = std::chrono::milliseconds(1);  // status calls and lists
    Duration run_sandbox = std::chrono::milliseconds(50);
    Duration create = std::chrono::milliseconds(10);
    Duration start = std::chrono::milliseconds(30);
    Duration stop_sandbox = std::chrono::milliseconds(20);
    Duration remove = std::chrono::milliseconds(10);
    /// It is killed first, and dies when the kernel lets it: what is started meanwhile mostly runs before.
    Duration remove_running = std::chrono::milliseconds(60);
    Duration event = std::chrono::milliseconds(1);
  };

  struct StartRecord {
    std::string uid, container, image, container_id;
    std::uint32_t attempt = 0;
    MonotonicTime at;
  };

  struct ContainerState {
    Container container;
    ContainerConfig config;
    std::string uid;
    /// An exit that is scheduled counts only for the same life.
    std::uint64_t life = 0;
    /// When the present client was first told how it had exited, by no clock that jumps.
    std::optional<MonotonicTime> told;
  };

  struct SandboxState {
    Sandbox sandbox;
    SandboxConfig config;
    std::string ip;
  };

  /// How often each call was made, by its name ("RunSandbox"); failed ones count too.
  using Calls = std::map<std::string, int>;

  /// The dependencies must outlive this object. With `random` every latency is drawn from [half, one and a
  /// half).
  ScriptedHost(Loop& loop, const Clock& clock, Random* random = nullptr);
  ~ScriptedHost();

  Latency latency;
  /// By the name as the pod has it. Unknown names pull like a default script.
  std::map<std::string, ImageScript> images;

  // ---- Faults

  /// Power cut: running containers are found Exited with 255/Unknown, sandboxes not ready. The image store
  /// stays.
  void Reboot();
  /// Every call answers Unavailable, calls under way included (their effect happens), until
  /// `SetAvailable(true)`, which wakes clients up for a relist. Containers go on running.
  void SetAvailable(bool available);
  /// Unavailable now, available after `outage`.
  void Restart(Duration outage);
  /// Whether the runtime says that its pods' network is there.
  void SetNetworkReady(bool ready) { network_ready_ = ready; }
  /// While set, wake-ups are lost without notice.
  void LoseEvents(bool lose) { lose_events_ = lose; }
  /// The next `times` calls of this name fail with `status`, without effect.
  void Fail(const std::string& call, absl::Status status, int times = 1);
  /// The runtime says UNKNOWN of a running container, as after it could not load it, until it is found again.
  void LoseTrack(const std::string& container_id, bool lost = true);
  /// From now on questions about this container fail, though the list shows it.
  void Mute(const std::string& container_id) { mute_.insert(container_id); }
  /// A container's process dies now.
  void Kill(const std::string& container_id, std::int32_t exit_code, const std::string& reason = "Error");
  /// As `crictl rm -f`: nobody told the agent.
  void Vanish(const std::string& container_id);
  /// The sandbox's process dies; its containers with it.
  void KillSandbox(const std::string& sandbox_id);

  // ---- Books

  [[nodiscard]] const std::vector<StartRecord>& starts() const { return starts_; }
  /// Starts of one container of one pod.
  [[nodiscard]] int StartCount(const std::string& uid, const std::string& container) const;
  /// Human-readable breaches of "at most one running instance of (uid, container)" and "one ready sandbox per
  /// uid".
  [[nodiscard]] const std::vector<std::string>& violations() const { return violations_; }
  [[nodiscard]] const std::map<std::string, ContainerState>& containers() const { return containers_; }
  [[nodiscard]] const std::map<std::string, SandboxState>& sandboxes() const { return sandboxes_; }
  /// Running containers of a pod, by container name.
  [[nodiscard]] std::map<std::string, std::string> Running(const std::string& uid) const;
  [[nodiscard]] const Calls& calls() const { return calls_; }
  [[nodiscard]] bool HasImage(const std::string& name) const { return present_.count(name) != 0; }
  void AddImage(const std::string& name) { present_.insert(name); }
  static std::string ImageId(const std::string& name);

 private:
  friend class ScriptedRuntime;

  [[nodiscard]] Duration Spread(Duration latency);
  /// Counts the call, answers planned failures and outages, else runs `effect` after `delay` and hands its
  /// result on.
  template <typename Result>
  void Do(const std::string& call, Duration delay, std::function<Result()> effect,
          std::function<void(Result)> done);
  [[nodiscard]] absl::Status Planned(const std::string& call);

  [[nodiscard]] absl::StatusOr<std::string> RunSandbox(const SandboxConfig& config);
  absl::Status StopSandbox(const std::string& id);
  absl::Status RemoveSandbox(const std::string& id);
  [[nodiscard]] absl::StatusOr<std::string> CreateContainer(const std::string& sandbox_id,
                                                            const ContainerConfig& config);
  absl::Status StartContainer(const std::string& id);
  void StopContainer(const std::string& id, Duration grace, StatusCallback done);
  void Exit(const std::string& id, std::uint64_t life, std::int32_t code, const std::string& reason);
  void ExitAll(const std::string& sandbox_id, std::int32_t code, const std::string& reason);
  void WakeUp(const std::string& container_id);
  [[nodiscard]] absl::StatusOr<Image> FindImage(const std::string& name_or_id) const;
  [[nodiscard]] ImageScript ScriptOf(const std::string& image) const;

  Loop& loop_;
  const Clock& clock_;
  Random* random_;
  bool available_ = true;
  bool network_ready_ = true;
  bool lose_events_ = false;
  /// Rises with every outage: calls of an older one answer Unavailable.
  std::uint64_t outage_ = 0;
  /// Rises with every reboot: calls of an older one have no effect.
  std::uint64_t boot_ = 0;
  std::uint64_t next_id_ = 1;
  std::map<std::string, SandboxState> sandboxes_;
  std::map<std::string, ContainerState> containers_;
  std::set<std::string> present_;
  std::map<std::string, std::pair<absl::Status, int>> planned_;
  std::set<std::string> mute_;
  std::vector<StartRecord> starts_;
  std::vector<std::string> violations_;
  Calls calls_;
  std::map<std::string, std::vector<StatusCallback>> waiting_for_exit_;
  std::set<ScriptedRuntime*> clients_;
  Lifetime lifetime_;
};

/// The agent's connection to a `ScriptedHost`. Destroying it loses the answers of calls under way, not their
/// effects.
class ScriptedRuntime : public ContainerRuntime {
 public:
  /// `host` must outlive this object.
  explicit ScriptedRuntime(ScriptedHost& host);
  ~ScriptedRuntime() override;

  void GetInfo(Callback<RuntimeInfo> done) override;
  void RunSandbox(const SandboxConfig& config, Callback<std::string> done) override;
  void StopSandbox(const std::string& id, StatusCallback done) override;
  void RemoveSandbox(const std::string& id, StatusCallback done) override;
  void GetSandbox(const std::string& id, Callback<SandboxStatus> done) override;
  void ListSandboxes(Callback<std::vector<Sandbox>> done) override;
  void CreateContainer(const std::string& sandbox_id, const ContainerConfig& config,
                       const SandboxConfig& sandbox, Callback<std::string> done) override;
  void StartContainer(const std::string& id, StatusCallback done) override;
  void StopContainer(const std::string& id, Duration grace, StatusCallback done) override;
  void RemoveContainer(const std::string& id, StatusCallback done) override;
  void GetContainer(const std::string& id, Callback<Container> done) override;
  void ListContainers(Callback<std::vector<Container>> done) override;
  void ReopenLog(const std::string& id, StatusCallback done) override;
  void ExecSync(const std::string& id, const std::vector<std::string>& command, Duration timeout,
                Callback<ExecResult> done) override;
  void GetImage(const std::string& name, Callback<Image> done) override;
  void PullImage(const std::string& name, const std::optional<RegistryAuth>& auth,
                 Callback<std::string> done) override;
  void ListImages(Callback<std::vector<Image>> done) override;
  void RemoveImage(const std::string& id, StatusCallback done) override;
  void ListUsedImages(Callback<std::vector<std::string>> done) override;
  void GetImageRoot(Callback<std::string> done) override;
  void ExecUrl(const ExecOptions& options, Callback<std::string> done) override;
  void AttachUrl(const ExecOptions& options, Callback<std::string> done) override;
  void PortForwardUrl(const std::string& sandbox_id, const std::vector<std::int32_t>& ports,
                      Callback<std::string> done) override;
  void OnWakeUp(std::function<void(WakeUp)> wake_up) override;

 private:
  friend class ScriptedHost;
  template <typename Result>
  void Do(const std::string& call, Duration delay, std::function<Result()> effect,
          std::function<void(Result)> done);

  ScriptedHost& host_;
  std::function<void(WakeUp)> wake_up_;
  Lifetime lifetime_;
};

}  // namespace slicelet::agent
