#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "common/base/testing/fake_clock.h"
#include "common/base/testing/fake_file_system.h"
#include "common/crypto/sealing.h"
#include "common/crypto/signing.h"
#include "common/loop/testing/sim_loop.h"
#include "edge-agent/host/host_agent.h"
#include "edge-agent/runtime/testing/scripted_runtime.h"
#include "edge-agent/store/testing/memory_agent_store.h"
#include "kube/testing/memory_kube_api.h"
#include "kubelet-shim/shim/shim.h"
#include "provider/hub/hub.h"
#include "provider/store/testing/memory_hub_store.h"
#include "tests/sim/controllers_life.h"
#include "tests/sim/host_edgex.h"
#include "tests/sim/host_network.h"
#include "tests/sim/iot_service.h"
#include "tests/sim/plants.h"
#include "tests/sim/story.h"
#include "tests/sim/truth.h"

namespace slicelet::sim {

inline constexpr char kHubId[] = "hub-1";

/// What kind of world a schedule plays in.
struct Kind {
  /// Hosts and provider speak over a broker.
  bool broker = false;
  /// A node stands for all hosts, besides those that stand for one.
  bool fleet = false;
  /// The provider runs the controllers of slicelet.io/v1alpha1, too.
  bool controllers = false;
};

using ShimLink = LocalLink<v1::ShimMessage, v1::ProviderMessage>;

/// What all machines of one world share. Outlives them.
struct Surroundings {
  Surroundings(std::uint64_t seed, Kind kind, Plant plant, bool told);

  const std::uint64_t seed;
  const Kind kind;
  const Plant plant;
  SimLoop loop;
  Story story;
  /// The API server's clock, and the provider's and the shims' machines'.
  FakeClock clock;
  SeededRandom network;
  SeededRandom cluster;
  ShimLink shim_link;
  kube::MemoryApiServer api;
  std::unique_ptr<Truth> truth;
  std::unique_ptr<Signer> root, signer;
  std::unique_ptr<HostNetwork> hosts;
  v1::KeyCertificate certificate;
  /// Null where there are no controllers.
  std::unique_ptr<IotService> iot;
  ControllerFaults controller_faults;
  /// While set, lists of pods come back empty: a broken cache in front of the API server.
  bool empty_lists = false;
  /// For the planted bug that loses tombstones: whether a host is not connected, and what was lost.
  std::function<bool(const std::string& host)> host_is_away;
  std::set<std::string> forgotten;

  /// A generator of its own for each user, so that one does not disturb the other.
  [[nodiscard]] SeededRandom RandomFor(const std::string& who) const;
};

/// One edge machine: its container runtime, its disk, and an agent that can be killed and started.
class HostMachine {
 public:
  HostMachine(Surroundings& around, const std::string& id);
  ~HostMachine();

  [[nodiscard]] const std::string& id() const { return id_; }
  [[nodiscard]] bool up() const { return process_ != nullptr; }
  [[nodiscard]] const agent::HostAgent* agent() const;
  agent::ScriptedHost& runtime() { return *runtime_; }
  agent::MemoryAgentStore& store() { return *store_; }
  FakeClock& clock() { return clock_; }
  FakeFileSystem& files() { return files_; }
  /// The manifest on its disk names the pod.
  [[nodiscard]] bool Holds(const std::string& uid) const;
  /// It was rebooted or lost its store: what ran once and may not run again could not end as planned.
  [[nodiscard]] bool disturbed() const { return boots_ > 1 || forgot_; }

  void Start();
  /// SIGKILL: containers go on running.
  void Kill();
  /// Power cut and another boot id; the agent has to be started again.
  void Reboot();
  /// The disk with the agent's store is exchanged; implies `Kill`.
  void LoseStore();
  /// Kills the agent at the `nth` crash point of this kind from now on.
  void KillAtCrashPoint(agent::MemoryAgentStore::CrashPoint point, int nth);
  /// Whether a crash point struck since the last call; the caller kills and restarts the agent.
  bool TakeStruck();
  /// The next Birth claims a Generation that nobody signed.
  void LieOnce() { lie_ = true; }
  /// Somebody who recorded the link plays an old manifest to the agent, after the hub's next message. `pick`
  /// chooses among those that were heard.
  void ReplayManifest(std::uint64_t pick) { replay_ = pick; }

  /// After every step: what was accepted stays accepted, and two instances never run.
  void Check();

 private:
  struct Process;
  class WatchedRuntime;

  std::vector<v1::HostMessage> OnSend(v1::HostMessage message);
  std::vector<v1::HubMessage> OnReceive(v1::HubMessage message);
  /// What lay on a tmpfs is gone.
  void WipeMemory(const std::string& directory);
  void RestartOnNewDigests(const v1::HubMessage& message);
  void Overhear(const v1::Desired& desired);

  Surroundings& around_;
  const std::string id_;
  FakeClock clock_;
  FakeFileSystem files_;
  SeededRandom hardware_;
  std::unique_ptr<agent::ScriptedHost> runtime_;
  std::unique_ptr<agent::MemoryAgentStore> store_;
  std::unique_ptr<Opener> opener_;
  HostEdgex edgex_;
  int boots_ = 1;
  int lives_ = 0;
  /// The agent's last life.
  MonotonicTime alive_until_{};
  bool struck_ = false;
  bool lie_ = false;
  std::size_t starts_seen_ = 0;
  std::size_t violations_seen_ = 0;
  /// The highest Generation that the hub was told is durable, and the one accepted last.
  Generation acknowledged_, accepted_;
  std::map<std::string, std::string> digests_;
  /// By "uid/container": how often it was started, and whether an instance ended with 0.
  std::map<std::string, int> started_;
  std::set<std::string> succeeded_;
  /// The store was lost once.
  bool forgot_ = false;
  std::optional<v1::StatusReport> held_report_;
  /// Manifests as they came over the link, the oldest first.
  std::deque<v1::Desired> overheard_;
  std::optional<std::uint64_t> replay_;
  std::unique_ptr<Process> process_;
};

/// The machine of the provider: a store that outlives the process.
class ProviderMachine {
 public:
  explicit ProviderMachine(Surroundings& around);
  ~ProviderMachine();

  [[nodiscard]] bool up() const { return process_ != nullptr; }
  [[nodiscard]] provider::Hub* hub();
  provider::MemoryHubStore& store() { return store_; }

  void Start();
  void Kill();
  void KillAtCrashPoint(provider::MemoryHubStore::Point point, int nth);
  bool TakeStruck();

 private:
  struct Process;

  Surroundings& around_;
  provider::MemoryHubStore store_;
  int lives_ = 0;
  bool struck_ = false;
  std::unique_ptr<Process> process_;
};

/// A machine that runs a shim; it remembers nothing.
class ShimMachine {
 public:
  ShimMachine(Surroundings& around, const std::string& id);
  ~ShimMachine();

  [[nodiscard]] const std::string& id() const { return id_; }
  [[nodiscard]] bool up() const { return process_ != nullptr; }
  [[nodiscard]] const shim::Shim* shim() const;

  void Start();
  void Kill();

 private:
  struct Process;

  std::vector<v1::ShimMessage> OnSend(v1::ShimMessage message);

  Surroundings& around_;
  const std::string id_;
  int lives_ = 0;
  /// Pods sent in this process's life, for the planted bug that deletes on absence.
  std::map<std::string, std::string> sent_;
  std::unique_ptr<Process> process_;
};

}  // namespace slicelet::sim
