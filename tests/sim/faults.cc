#include <nlohmann/json.hpp>

#include "tests/sim/world.h"

namespace slicelet::sim {

using std::chrono::milliseconds;

void World::KillAgent(std::size_t host, Duration down) {
  HostMachine& machine = this->host(host);
  machine.Kill();
  After(down, [&machine] { machine.Start(); });
}

void World::KillProvider(Duration down) {
  provider_->Kill();
  After(down, [this] { provider_->Start(); });
}

void World::KillShim(std::size_t n, Duration down) {
  // Killing the standby makes it a leader-to-be: that is the second shim.
  ShimMachine& machine = shim(n);
  if (!machine.up()) return machine.Start();
  machine.Kill();
  After(down, [&machine] { machine.Start(); });
}

void World::KillAgentAtCrashPoint(std::size_t host, int point, int nth) {
  using CrashPoint = agent::MemoryAgentStore::CrashPoint;
  static constexpr CrashPoint kPoints[] = {CrashPoint::kRequested, CrashPoint::kDurable, CrashPoint::kDone};
  around_.story.Tell(this->host(host).id() + ": will be killed at crash point " + std::to_string(point) +
                     ", " + std::to_string(nth) + " commits from now");
  this->host(host).KillAtCrashPoint(kPoints[point % 3], nth);
}

void World::KillProviderAtCrashPoint(int point, int nth) {
  using Point = provider::MemoryHubStore::Point;
  static constexpr Point kPoints[] = {Point::kRequested, Point::kDurable, Point::kDone};
  around_.story.Tell("provider: will be killed at crash point " + std::to_string(point) + ", " +
                     std::to_string(nth) + " commits from now");
  provider_->KillAtCrashPoint(kPoints[point % 3], nth);
}

void World::RebootHost(std::size_t host, Duration down) {
  HostMachine& machine = this->host(host);
  machine.Reboot();
  After(down, [&machine] { machine.Start(); });
}

void World::LoseAgentStore(std::size_t host, Duration down) {
  HostMachine& machine = this->host(host);
  machine.LoseStore();
  // Its host can prove nothing, and may be given a new epoch.
  epochs_may_change_ = true;
  After(down, [&machine] { machine.Start(); });
}

void World::LoseProviderStore(Duration down) {
  around_.story.Tell("provider: the store is lost");
  epochs_may_change_ = true;
  provider_->Kill();
  provider_->store().Lose();
  truth().PlacementsLost();
  After(down, [this] { provider_->Start(); });
}

void World::CopyProviderStore() {
  around_.story.Tell("provider: the store is copied");
  store_copy_ = provider_->store().CopyState();
}

void World::RestoreProviderStore(Duration down) {
  if (!store_copy_) return;
  around_.story.Tell("provider: an old copy of the store is put back");
  epochs_may_change_ = true;
  provider_->Kill();
  provider_->store().Restore(*store_copy_);
  truth().PlacementsLost();
  After(down, [this] { provider_->Start(); });
}

void World::SnapshotApi() {
  around_.story.Tell("api: a snapshot is taken");
  snapshot_ = around_.api.cluster().TakeSnapshot();
  has_snapshot_ = true;
}

void World::RestoreApi() {
  if (!has_snapshot_) return;
  around_.story.Tell("api: restored from the snapshot");
  // What the API showed until now has to be judged before it is exchanged.
  truth().CheckApi();
  if (kinds_) kinds_->BeforeRestore();
  around_.api.Restore(snapshot_);
  if (kinds_) kinds_->AfterRestore();
  truth().Restored();
}

void World::StopApi(Duration down) {
  around_.story.Tell("api: down" + For(down));
  around_.api.SetDown(true);
  if (kinds_) kinds_->Disturbed(down);
  After(down, [this] { around_.api.SetDown(false); });
}

void World::ShowEmptyLists(Duration time) {
  around_.story.Tell("api: lists are empty" + For(time));
  around_.empty_lists = true;
  around_.api.BreakWatches(absl::OutOfRangeError("the server has forgotten this version"));
  if (kinds_) kinds_->Disturbed(time);
  After(time, [this] {
    around_.empty_lists = false;
    around_.api.BreakWatches(absl::OutOfRangeError("the server has forgotten this version"));
  });
}

void World::BreakWatches() {
  around_.story.Tell("api: compacted, watches break");
  around_.api.cluster().Compact();
  around_.api.BreakWatches();
  if (kinds_) kinds_->Disturbed(Duration::zero());
}

void World::DisturbLinks(const LinkFaults& hosts, const LinkFaults& shims, Duration time) {
  around_.story.Tell("links: disturbed" + For(time));
  around_.hosts->SetFaults(hosts);
  MayAllBeAway(time + kForgiven);
  around_.shim_link.SetFaults(shims);
  After(time, [this] {
    const LinkFaults quiet{.min_delay = milliseconds(1), .max_delay = milliseconds(20)};
    around_.hosts->SetFaults(quiet);
    around_.shim_link.SetFaults(quiet);
  });
}

void World::SilenceHost(std::size_t host, Silence silence, Duration time) {
  const std::string id = this->host(host).id();
  around_.story.Tell(id + ": the link is silent (" + std::to_string(static_cast<int>(silence)) + ")" +
                     For(time));
  around_.hosts->SetSilence(id, silence);
  MayBeAway(id, time + kForgiven);
  After(time, [this, id] { around_.hosts->SetSilence(id, Silence::kNone); });
}

void World::SilenceShim(std::size_t n, Silence silence, Duration time) {
  const std::string id = shim(n).id();
  around_.story.Tell(id + ": the link is silent (" + std::to_string(static_cast<int>(silence)) + ")" +
                     For(time));
  around_.shim_link.SetSilence(id, silence);
  After(time, [this, id] {
    around_.shim_link.SetSilence(id, Silence::kNone);
    // On one machine a connection that lost bytes is broken, and both ends hear of it.
    around_.shim_link.Break(id);
  });
}

void World::BreakHostLink(std::size_t host) {
  around_.story.Tell(this->host(host).id() + ": the connection breaks");
  around_.hosts->Break(this->host(host).id());
}

void World::FillDisk(std::size_t host, Duration time) {
  HostMachine& machine = this->host(host);
  around_.story.Tell(machine.id() + ": the disk is full" + For(time));
  machine.store().SetDiskFull(true);
  machine.files().set_disk_full(true);
  After(time, [&machine] {
    machine.store().SetDiskFull(false);
    machine.files().set_disk_full(false);
  });
}

void World::FillProviderDisk(Duration time) {
  around_.story.Tell("provider: the disk is full" + For(time));
  provider_->store().SetDiskFull(true);
  After(time, [this] { provider_->store().SetDiskFull(false); });
}

void World::JumpClock(std::size_t machine, Duration by) {
  const bool host = machine < hosts_.size();
  provider_clock_went_back_ |= !host && by < Duration::zero();
  around_.story.Tell((host ? hosts_[machine]->id() : std::string("provider and cluster")) +
                     ": the clock jumps" + For(by));
  if (host)
    hosts_[machine]->clock().Jump(by);
  else
    around_.clock.Jump(by);
}

void World::StopRuntime(std::size_t host, Duration time) {
  around_.story.Tell(this->host(host).id() + ": the runtime is away" + For(time));
  this->host(host).runtime().Restart(time);
}

void World::LoseRuntimeEvents(std::size_t host, Duration time) {
  HostMachine& machine = this->host(host);
  around_.story.Tell(machine.id() + ": runtime events are lost" + For(time));
  machine.runtime().LoseEvents(true);
  After(time, [&machine] { machine.runtime().LoseEvents(false); });
}

void World::KillContainer(std::size_t host, std::uint64_t pick) {
  auto& runtime = this->host(host).runtime();
  std::vector<std::string> running;
  for (const auto& [id, state] : runtime.containers()) {
    const Truth::Pod* pod = truth().Find(state.uid);
    if (state.container.phase == agent::ContainerPhase::kRunning && pod != nullptr &&
        pod->outcome == Truth::Outcome::kRuns) {
      running.push_back(id);
    }
  }
  if (running.empty()) return;
  const std::string& id = running[pick % running.size()];
  around_.story.Tell(this->host(host).id() + ": container " + id + " crashes");
  runtime.Kill(id, 139);
}

void World::KillSandbox(std::size_t host, std::uint64_t pick) {
  auto& runtime = this->host(host).runtime();
  std::vector<std::string> ready;
  for (const auto& [id, state] : runtime.sandboxes()) {
    const Truth::Pod* pod = truth().Find(state.sandbox.uid);
    if (state.sandbox.ready && pod != nullptr && pod->outcome == Truth::Outcome::kRuns) ready.push_back(id);
  }
  if (ready.empty()) return;
  const std::string& id = ready[pick % ready.size()];
  around_.story.Tell(this->host(host).id() + ": sandbox " + id + " dies");
  runtime.KillSandbox(id);
}

void World::LieAboutGeneration(std::size_t host) {
  HostMachine& machine = this->host(host);
  machine.LieOnce();
  around_.hosts->Break(machine.id());
}

void World::ReplayManifest(std::size_t host, std::uint64_t pick) { this->host(host).ReplayManifest(pick); }

// ---- The broker's

void World::KillBroker(Duration down, bool remembers) {
  SimBroker* broker = around_.hosts->broker();
  if (broker == nullptr || !broker->alive()) return;
  around_.story.Tell(std::string("broker: killed, and will ") +
                     (remembers ? "remember" : "have forgotten everything") + For(down));
  broker->Kill();
  MayAllBeAway(down + kForgiven);
  After(down, [this, broker, remembers] {
    around_.story.Tell("broker: starts");
    broker->Start(remembers);
  });
}

void World::LoseRetained() {
  if (around_.hosts->broker() == nullptr) return;
  around_.story.Tell("broker: retained messages are lost");
  around_.hosts->broker()->LoseRetained();
}

void World::OverflowQueues(std::size_t messages, Duration time) {
  SimBroker* broker = around_.hosts->broker();
  if (broker == nullptr) return;
  around_.story.Tell("broker: queues hold " + std::to_string(messages) + " messages" + For(time));
  broker->SetMaxQueued(messages);
  MayAllBeAway(time + kForgiven);
  After(time, [broker] { broker->SetMaxQueued(SimBroker::kMaxQueued); });
}

void World::LateWills(Duration time) {
  SimBroker* broker = around_.hosts->broker();
  if (broker == nullptr) return;
  around_.story.Tell("broker: wills come late" + For(time));
  broker->SetLateWills(true);
  for (auto& host : hosts_) broker->Cut(host->id());
  MayAllBeAway(time + kForgiven);
  After(time, [broker] { broker->SetLateWills(false); });
}

void World::UsurpHost(std::size_t host, Duration time) {
  const std::string id = this->host(host).id();
  if (around_.hosts->broker() == nullptr) return;
  around_.story.Tell("broker: somebody connects as " + id + For(time));
  around_.hosts->broker()->Usurp(id, time);
  MayBeAway(id, time + kForgiven);
}

void World::SilenceHub(Silence silence, Duration time) {
  if (around_.hosts->broker() == nullptr) return;
  around_.story.Tell("provider: the link to the broker is silent (" +
                     std::to_string(static_cast<int>(silence)) + ")" + For(time));
  around_.hosts->SetSilence(kHubClient, silence);
  MayAllBeAway(time + kForgiven);
  After(time, [this] { around_.hosts->SetSilence(kHubClient, Silence::kNone); });
}

void World::BreakHubLink() {
  if (around_.hosts->broker() == nullptr) return;
  around_.story.Tell("provider: the connection to the broker breaks");
  around_.hosts->Break(kHubClient);
}

void World::Attack(bool forges, int messages, std::uint64_t pick, Duration time) {
  SimBroker* broker = around_.hosts->broker();
  if (broker == nullptr) return;
  around_.story.Tell(std::string("broker: somebody ") + (forges ? "forges " : "repeats ") +
                     std::to_string(messages) + " messages" + For(time));
  for (int n = 0; n < messages; ++n) {
    // An odd factor visits all of them in an order of its own.
    const std::uint64_t one = pick + static_cast<std::uint64_t>(n) * 2'654'435'761U;
    After(time * n / messages, [broker, forges, one] { forges ? broker->Forge(one) : broker->Replay(one); });
  }
}

void World::Heal() {
  around_.story.Tell("---- everything is repaired");
  const LinkFaults quiet{.min_delay = milliseconds(1), .max_delay = milliseconds(20)};
  around_.hosts->SetFaults(quiet);
  around_.hosts->Heal();
  around_.shim_link.SetFaults(quiet);
  around_.empty_lists = false;
  around_.api.SetDown(false);
  around_.api.BreakWatches(absl::OutOfRangeError("the server was started again"));
  provider_->store().SetDiskFull(false);
  provider_->store().OnPoint(nullptr);
  around_.controller_faults = {};
  hasty_.reset();
  if (around_.iot) {
    around_.iot->SetTrouble(IotService::Trouble::kNone);
    around_.iot->LoseAnswers(0);
  }
  if (kinds_) kinds_->Disturbed(Duration::zero());
  provider_->Start();
  for (auto& host : hosts_) {
    host->store().SetDiskFull(false);
    host->files().set_disk_full(false);
    host->store().OnCrashPoint(nullptr);
    host->runtime().LoseEvents(false);
    host->runtime().SetAvailable(true);
    host->Start();
  }
  for (auto& shim : shims_) around_.shim_link.SetSilence(shim->id(), Silence::kNone);
  shims_.front()->Start();
}

}  // namespace slicelet::sim
