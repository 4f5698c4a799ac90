#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tests/sim/kinds.h"
#include "tests/sim/machines.h"

namespace slicelet::sim {

/// One cluster, one provider, two machines for shims and some edge hosts on one loop of virtual time, with
/// users, operators and everything that can go wrong. The same seed and the same calls give the same run.
class World {
 public:
  static constexpr int kHosts = 3;
  /// How long a machine needs from the crash of a program to its restart.
  static constexpr Duration kRestart = std::chrono::seconds(3);
  /// Until a link that was disturbed is surely as good as new: missed heartbeats and the longest backoff.
  static constexpr Duration kForgiven = std::chrono::minutes(10);

  World(std::uint64_t seed, Kind kind, Plant plant, bool told);
  ~World();

  /// Registers the hosts, starts everything and lets it settle.
  void Begin();
  /// Lets time pass; stops early when an invariant is broken.
  void Run(Duration time);
  /// Ends all faults and starts what is down.
  void Heal();
  /// Lets it become quiet and compares what the API server shows with what the hosts run. Then an operator
  /// decides about what is held, and it is compared again.
  void Settle();

  /// Ends a story with what everybody knows of the pods that the violation names.
  void TellAboutViolation();

  Surroundings& around() { return around_; }
  Truth& truth() { return *around_.truth; }
  [[nodiscard]] const Story& story() const { return around_.story; }
  [[nodiscard]] bool failed() const { return around_.story.violation().has_value(); }
  [[nodiscard]] std::uint64_t steps() const { return steps_; }
  /// Of the moments of all steps: differs when a run is not the same as another one.
  [[nodiscard]] std::uint64_t fingerprint() const { return fingerprint_; }
  [[nodiscard]] int pods_created() const { return pods_created_; }

  HostMachine& host(std::size_t n) { return *hosts_.at(n % hosts_.size()); }
  ProviderMachine& provider() { return *provider_; }
  /// Null where there are no controllers.
  Kinds* kinds() { return kinds_.get(); }
  ShimMachine& shim(std::size_t n) { return *shims_.at(n % shims_.size()); }

  // ---- Users. `pick` chooses among what there is; nothing to choose from means nothing happens.
  void CreatePod(std::size_t host, std::uint64_t pick);
  void DeletePod(std::uint64_t pick, bool force);
  void ChangeImage(std::uint64_t pick);
  void EditSettings(std::uint64_t pick);
  void ChangeTags(std::size_t host, std::uint64_t pick);

  // ---- Faults. Those with a duration end by themselves, and all of them at `Heal`.
  void KillAgent(std::size_t host, Duration down);
  void KillProvider(Duration down);
  void KillShim(std::size_t n, Duration down);
  void KillAgentAtCrashPoint(std::size_t host, int point, int nth);
  void KillProviderAtCrashPoint(int point, int nth);
  void RebootHost(std::size_t host, Duration down);
  void LoseAgentStore(std::size_t host, Duration down);
  void LoseProviderStore(Duration down);
  /// Keeps a copy of the provider's store, or puts the copy back.
  void CopyProviderStore();
  void RestoreProviderStore(Duration down);
  void SnapshotApi();
  void RestoreApi();
  void StopApi(Duration down);
  void ShowEmptyLists(Duration time);
  void BreakWatches();
  void DisturbLinks(const LinkFaults& hosts, const LinkFaults& shims, Duration time);
  void SilenceHost(std::size_t host, Silence silence, Duration time);
  void SilenceShim(std::size_t n, Silence silence, Duration time);
  void BreakHostLink(std::size_t host);
  void FillDisk(std::size_t host, Duration time);
  void FillProviderDisk(Duration time);
  void JumpClock(std::size_t machine, Duration by);
  void StopRuntime(std::size_t host, Duration time);
  void LoseRuntimeEvents(std::size_t host, Duration time);
  void KillContainer(std::size_t host, std::uint64_t pick);
  void KillSandbox(std::size_t host, std::uint64_t pick);
  void LieAboutGeneration(std::size_t host);
  void ReplayManifest(std::size_t host, std::uint64_t pick);

  // ---- Faults of a broker; nothing happens where hosts have streams of their own.
  void KillBroker(Duration down, bool remembers);
  void LoseRetained();
  void OverflowQueues(std::size_t messages, Duration time);
  void LateWills(Duration time);
  void UsurpHost(std::size_t host, Duration time);
  void SilenceHub(Silence silence, Duration time);
  void BreakHubLink();
  /// Somebody with the broker's rights repeats, or forges, so many messages in that time.
  void Attack(bool forges, int messages, std::uint64_t pick, Duration time);

  // ---- Faults of the controllers' calls; only where there are controllers.
  /// The provider dies of the `nth` write to the API server from now on, or of that request to the IoT
  /// server. With `hasty` a user does not wait for its return.
  void KillProviderAtWrite(int nth, bool carried_out, std::optional<std::uint64_t> hasty);
  void KillProviderAtRequest(int nth, bool carried_out, std::optional<std::uint64_t> hasty);
  /// So many of a million writes meet a conflict.
  void Conflict(std::uint64_t parts, Duration time);
  void TroubleIotServer(IotService::Trouble trouble, Duration time);

 private:
  void AfterStep();
  void RestartProvider();
  /// From now until then the provider may take this host for unreachable.
  void MayBeAway(const std::string& host, Duration time);
  void MayAllBeAway(Duration time);
  void After(Duration time, std::function<void()> task);
  void Create(const kube::Resource& resource, const std::string& ns, const std::string& name,
              kube::Json object);
  [[nodiscard]] std::vector<const Truth::Pod*> LivePods() const;
  /// Makes it a pod of the fleet node.
  void ForFleet(std::uint64_t pick, Truth::Pod& pod, kube::Json& object);
  /// What differs between the API server and the hosts; empty when all is well. With `strict`, pods that are
  /// held or may be orphans count too.
  [[nodiscard]] std::vector<std::string> Differences(bool strict);
  void ComparePod(const kube::Json& object, std::vector<std::string>& out);
  void CompareRunning(const Truth::Pod& pod, const std::vector<HostMachine*>& hosts, const kube::Json& object,
                      std::vector<std::string>& out);
  void CompareOn(HostMachine& host, const Truth::Pod& pod, std::vector<std::string>& out);
  void CompareFleet(const Truth::Pod& pod, const kube::Json& object, std::vector<std::string>& out);
  void CompareHost(HostMachine& host, bool strict, std::vector<std::string>& out);
  void CompareLogs(bool strict, std::vector<std::string>& out);
  /// Pods whose removal waits for an operator; none when that counts as a difference.
  std::set<std::string> Undecided(bool strict);
  void WaitUntilQuiet(bool strict);
  void DecideOrphans();
  void TellAboutPod(HostMachine& host, const Truth::Pod& pod);
  [[nodiscard]] HostMachine& HostOf(const std::string& id);

  Surroundings around_;
  std::vector<std::unique_ptr<HostMachine>> hosts_;
  std::unique_ptr<ProviderMachine> provider_;
  std::vector<std::unique_ptr<ShimMachine>> shims_;
  std::unique_ptr<Kinds> kinds_;
  /// What a user does as soon as the provider has died.
  std::optional<std::uint64_t> hasty_;
  kube::MemoryCluster::Snapshot snapshot_;
  bool has_snapshot_ = false;
  std::optional<provider::MemoryHubStore::State> store_copy_;
  /// Hosts take the announcements of the provider's next life for those of an older one, until they miss it.
  bool provider_clock_went_back_ = false;
  /// Epochs may change only after the provider's store was lost or put back.
  bool epochs_may_change_ = false;
  std::map<std::string, std::uint64_t> epochs_;
  /// When each host was, or may have been, away last.
  std::map<std::string, MonotonicTime> away_;
  std::uint64_t steps_ = 0;
  std::uint64_t fingerprint_ = 0;
  MonotonicTime second_began_{};
  int steps_in_second_ = 0;
  int pods_created_ = 0;
  int settings_version_ = 1;
};

/// Null when the object has no such condition.
const kube::Json* FindCondition(const kube::Json& object, const std::string& type);

}  // namespace slicelet::sim
