#include <absl/status/status.h>

#include <algorithm>

#include "common/base/encoding.h"
#include "common/stream/frame_stream.h"
#include "tests/sim/crypto.h"
#include "tests/sim/machines.h"
#include "tests/sim/tap.h"

namespace slicelet::sim {
namespace {

/// Network probes of the simulation always pass, a little later.
class SteadyProber : public agent::Prober {
 public:
  explicit SteadyProber(Loop& loop) : loop_(loop) {}
  void Check(const v1::Handler&, const std::string&, Duration, StatusCallback done) override {
    loop_.RunAfter(std::chrono::milliseconds(1),
                   lifetime_.Guard([done = std::move(done)] { done(absl::OkStatus()); }));
  }

 private:
  Loop& loop_;
  Lifetime lifetime_;
};

/// The planted bug that re-runs finished jobs: what ended is not written down.
class ForgetfulStore : public agent::AgentStore {
 public:
  explicit ForgetfulStore(agent::AgentStore& inner) : inner_(inner) {}
  [[nodiscard]] const Loaded& loaded() const override { return inner_.loaded(); }
  absl::StatusOr<std::string> ReadBlob(const Digest& digest) override { return inner_.ReadBlob(digest); }
  void Commit(Batch batch, StatusCallback done) override {
    for (auto& [uid, record] : batch.records) {
      if (!record) continue;
      record->clear_terminal_phase();
      record->clear_containers();
    }
    inner_.Commit(std::move(batch), std::move(done));
  }

 private:
  agent::AgentStore& inner_;
};

constexpr std::size_t kMostOverheard = 8;
/// An agent that lives so long after it was told how a container ended has noted it.
constexpr Duration kNotices = std::chrono::seconds(5);

std::size_t NumberOf(const std::string& id) { return static_cast<std::size_t>(id.back() - '0'); }

Generation FromProto(const v1::Generation& generation) { return {generation.epoch(), generation.number()}; }

}  // namespace

/// The runtime as the agent sees it, with an eye on every stop.
class HostMachine::WatchedRuntime : public agent::ScriptedRuntime {
 public:
  explicit WatchedRuntime(HostMachine& machine) : ScriptedRuntime(*machine.runtime_), machine_(machine) {}

  void StopContainer(const std::string& id, Duration grace, StatusCallback done) override {
    WatchStop(id);
    ScriptedRuntime::StopContainer(id, grace, std::move(done));
  }
  void RemoveContainer(const std::string& id, StatusCallback done) override {
    WatchStop(id);
    ScriptedRuntime::RemoveContainer(id, std::move(done));
  }
  void StopSandbox(const std::string& id, StatusCallback done) override {
    WatchSandbox(id);
    ScriptedRuntime::StopSandbox(id, std::move(done));
  }
  void RemoveSandbox(const std::string& id, StatusCallback done) override {
    WatchSandbox(id);
    ScriptedRuntime::RemoveSandbox(id, std::move(done));
  }

 private:
  void WatchStop(const std::string& id) {
    const auto it = machine_.runtime_->containers().find(id);
    if (it == machine_.runtime_->containers().end()) return;
    const auto& [container, config, uid, life, told] = it->second;
    if (container.phase == agent::ContainerPhase::kExited && container.exit_code == 0) {
      machine_.succeeded_.insert(uid + "/" + container.name);
    }
    if (container.phase != agent::ContainerPhase::kRunning) return;
    machine_.around_.story.Tell(machine_.id_ + ": stop " + container.name + " of " + uid + " (" + id + ")");
    machine_.around_.truth->CheckStop(machine_.id_, uid, container.name, id, container.image);
  }
  void WatchSandbox(const std::string& id) {
    for (const auto& [container, state] : machine_.runtime_->containers()) {
      if (state.container.sandbox_id == id) WatchStop(container);
    }
  }

  HostMachine& machine_;
};

struct HostMachine::Process {
  Process(HostMachine& machine, const agent::HostAgent::Options& options)
      : random(machine.around_.RandomFor(machine.id_ + "." + std::to_string(machine.lives_))),
        runtime(machine),
        prober(machine.around_.loop),
        forgetful(*machine.store_),
        edgex(machine.around_.kind.controllers ? machine.edgex_.MakeClient() : nullptr),
        connector(
            machine.around_.hosts->MakeConnector(machine.id_, random, *machine.opener_),
            [&machine](v1::HostMessage message) { return machine.OnSend(std::move(message)); },
            [&machine](v1::HubMessage message) { return machine.OnReceive(std::move(message)); }),
        agent(options,
              {.loop = machine.around_.loop,
               .clock = machine.clock_,
               .random = random,
               .files = machine.files_,
               .store = machine.around_.plant == Plant::kRerunFinishedJob
                            ? static_cast<agent::AgentStore&>(forgetful)
                            : *machine.store_,
               .runtime = runtime,
               .opener = *machine.opener_,
               .prober = prober,
               .hub = connector,
               .dial_tunnel = [&loop = machine.around_.loop] { return MakeLocalFrameStreams(loop).first; },
               .serve_stream =
                   [](const v1::StreamHead&, const std::shared_ptr<FrameStream>& stream,
                      const agent::PodSupervisor&) {
                     stream->Finish(absl::UnimplementedError("the simulation has no streams"));
                   },
               .edgex = edgex.get(),
               .read_log_tail = [](const v1::LogTailWanted& wanted,
                                   const agent::PodSupervisor&) -> absl::StatusOr<v1::LogTail> {
                 // Each instance says its name, once.
                 v1::LogTail tail;
                 tail.set_continues(wanted.after() != 0);
                 if (!tail.continues())
                   tail.set_lines("2026-01-01T00:00:00.5Z stdout F " + wanted.container_id() + "\n");
                 return tail;
               }}) {}

  SeededRandom random;
  WatchedRuntime runtime;
  SteadyProber prober;
  ForgetfulStore forgetful;
  std::unique_ptr<agent::EdgexClient> edgex;
  TapConnector<v1::HostMessage, v1::HubMessage> connector;
  agent::HostAgent agent;
};

HostMachine::HostMachine(Surroundings& around, const std::string& id)
    : around_(around),
      id_(id),
      clock_(around.loop),
      hardware_(around.RandomFor(id + ".hardware")),
      runtime_(std::make_unique<agent::ScriptedHost>(around.loop, clock_, &hardware_)),
      store_(std::make_unique<agent::MemoryAgentStore>(
          around.loop, agent::MemoryAgentStore::Options{.acknowledge_before_durable =
                                                            around.plant == Plant::kAckBeforeFsync})),
      opener_(MakeOpener(SealingKeyPem(NumberOf(id))).value()),
      edgex_(around.loop) {
  files_.MakeDirectories("/var/lib/slicelet", 0700).IgnoreError();
  files_.MakeDirectories("/var/log/pods", 0755).IgnoreError();
}

HostMachine::~HostMachine() = default;

const agent::HostAgent* HostMachine::agent() const { return process_ ? &process_->agent : nullptr; }

bool HostMachine::Holds(const std::string& uid) const {
  v1::Manifest manifest;
  if (!store_->manifest() || !manifest.ParseFromString(store_->manifest()->manifest())) return false;
  return std::any_of(manifest.deployments().begin(), manifest.deployments().end(),
                     [&uid](const v1::Deployment& deployment) { return deployment.uid() == uid; });
}

void HostMachine::Start() {
  if (process_) return;
  ++lives_;
  agent::HostAgent::Options options;
  options.pods.hub_id = kHubId;
  options.pods.host = HostId(id_);
  options.pods.host_ip = "192.168.1." + std::to_string(NumberOf(id_));
  options.pods.allocatable_cpu_milli = 4'000;
  options.pods.allocatable_memory_bytes = 8LL << 30;
  options.agent_version = "sim";
  options.boot_id = "boot-" + std::to_string(boots_);
  options.facts.set_cpu_milli(4'000);
  options.facts.set_memory_bytes(8LL << 30);
  options.facts.set_allocatable_cpu_milli(4'000);
  options.facts.set_allocatable_memory_bytes(8LL << 30);
  options.facts.set_pods(110);
  options.facts.set_operating_system("linux");
  options.facts.set_architecture("amd64");
  options.facts.set_address(options.pods.host_ip);
  options.root_public_key = around_.root->public_key();
  around_.story.Tell(id_ + ": agent starts");
  process_ = std::make_unique<Process>(*this, options);
  process_->agent.Start();
}

void HostMachine::Kill() {
  if (!process_) return;
  around_.story.Tell(id_ + ": agent killed");
  process_.reset();
  alive_until_ = around_.loop.Now();
  store_->Crash();
  held_report_.reset();
  // What it will have accepted in its next life is what is on disk; less than what was acknowledged is a
  // violation.
  accepted_ = acknowledged_;
}

void HostMachine::Reboot() {
  Kill();
  ++boots_;
  runtime_->Reboot();
  WipeMemory("/var/lib/slicelet");
  // Some runtimes keep their records on a tmpfs: then nothing but the agent's store knows what had ended.
  if (hardware_.Below(2) == 0 || around_.plant == Plant::kRerunFinishedJob) {
    std::vector<std::string> ids;
    for (const auto& [id, state] : runtime_->containers()) ids.push_back(id);
    for (const std::string& id : ids) {
      const auto& state = runtime_->containers().at(id);
      // What the runtime had told no agent was known to nobody else.
      if (state.container.exit_code == 0 && state.told && alive_until_ - *state.told >= kNotices)
        succeeded_.insert(state.uid + "/" + state.container.name);
      runtime_->Vanish(id);
    }
  }
  around_.story.Tell(id_ + ": rebooted");
}

void HostMachine::WipeMemory(const std::string& directory) {
  const auto names = files_.List(directory);
  if (!names.ok()) return;
  const auto* node = files_.Find(directory);
  const bool memory = node != nullptr && node->mounted;
  for (const std::string& name : *names) {
    std::string path = directory;
    path.append("/").append(name);
    const auto* child = files_.Find(path);
    if (memory)
      files_.RemoveAll(path).IgnoreError();
    else if (child != nullptr && child->kind == FileSystem::Kind::kDirectory)
      WipeMemory(path);
  }
  if (memory) files_.Unmount(directory).IgnoreError();
}

void HostMachine::LoseStore() {
  Kill();
  store_->Lose();
  acknowledged_ = accepted_ = {};
  forgot_ = true;
  around_.story.Tell(id_ + ": the agent's store is lost");
}

void HostMachine::KillAtCrashPoint(agent::MemoryAgentStore::CrashPoint point, int nth) {
  store_->OnCrashPoint([this, point, left = nth](agent::MemoryAgentStore::CrashPoint at) mutable {
    if (struck_ || at != point || left < 0) return false;
    if (left > 1) {
      --left;
      return false;
    }
    left = -1;
    struck_ = true;
    return true;
  });
}

bool HostMachine::TakeStruck() { return std::exchange(struck_, false); }

std::vector<v1::HostMessage> HostMachine::OnSend(v1::HostMessage message) {
  // A process that died at a crash point of its store says nothing any more.
  if (struck_) return {};
  if (message.has_birth() && std::exchange(lie_, false)) {
    around_.story.Tell(id_ + ": claims a Generation that nobody signed");
    message.mutable_birth()->mutable_accepted()->set_epoch(message.birth().accepted().epoch() + 5);
    message.mutable_birth()->set_accepted_digest(std::string(32, 'x'));
  }
  if (message.has_accepted()) {
    const Generation generation = FromProto(message.accepted().generation());
    acknowledged_ = std::max(acknowledged_, generation);
    if (around_.story.told()) {
      around_.story.Tell(id_ + ": accepted " + std::to_string(generation.epoch) + "." +
                         std::to_string(generation.number));
    }
  }
  if (around_.plant == Plant::kReportOutOfOrder && message.has_status() && !message.status().full()) {
    // Contents change places, sequence numbers stay: nobody can notice from the numbers.
    v1::StatusReport now = message.status();
    if (!held_report_) {
      held_report_ = now;
      return {};
    }
    v1::StatusReport first = now, second = *held_report_;
    first.set_sequence(held_report_->sequence());
    second.set_sequence(now.sequence());
    held_report_.reset();
    v1::HostMessage other = message;
    *message.mutable_status() = first;
    *other.mutable_status() = second;
    return {message, other};
  }
  return {std::move(message)};
}

std::vector<v1::HubMessage> HostMachine::OnReceive(v1::HubMessage message) {
  if (struck_) return {};
  if (around_.plant == Plant::kRestartOnDigestChange) RestartOnNewDigests(message);
  std::vector<v1::HubMessage> out;
  // What was heard before this message is old, unless nothing newer was ever said.
  if (replay_ && overheard_.size() > 1) {
    v1::HubMessage old;
    old.set_session(message.session());
    *old.mutable_desired() = overheard_[*replay_ % (overheard_.size() - 1)];
    replay_.reset();
    around_.story.Tell(id_ + ": an old manifest is played back");
    out.push_back(std::move(old));
  }
  if (message.has_desired()) Overhear(message.desired());
  out.insert(out.begin(), std::move(message));
  return out;
}

void HostMachine::Overhear(const v1::Desired& desired) {
  if (!overheard_.empty() && overheard_.back().manifest().manifest() == desired.manifest().manifest()) return;
  overheard_.push_back(desired);
  if (overheard_.size() > kMostOverheard) overheard_.pop_front();
}

void HostMachine::RestartOnNewDigests(const v1::HubMessage& message) {
  if (!message.has_desired()) return;
  v1::Manifest manifest;
  if (!manifest.ParseFromString(message.desired().manifest().manifest())) return;
  for (const v1::Deployment& deployment : manifest.deployments()) {
    std::string now = deployment.digest();
    for (const v1::BlobRef& blob : deployment.blobs()) now += blob.digest();
    std::string& before = digests_[deployment.uid()];
    if (!before.empty() && before != now) {
      for (const auto& [name, id] : runtime_->Running(deployment.uid())) {
        process_->runtime.StopContainer(id, std::chrono::seconds(5), [](const absl::Status&) {});
      }
    }
    before = now;
  }
}

void HostMachine::Check() {
  const auto& violations = runtime_->violations();
  for (; violations_seen_ < violations.size(); ++violations_seen_) {
    around_.story.Violate(id_ + ": " + violations[violations_seen_]);
  }
  const auto& starts = runtime_->starts();
  for (; starts_seen_ < starts.size(); ++starts_seen_) {
    const auto& start = starts[starts_seen_];
    const std::string key = start.uid + "/" + start.container;
    if (around_.story.told()) {
      around_.story.Tell(id_ + ": started " + start.container + " of " + start.uid + " (" +
                         start.container_id + ", " + start.image + ")");
    }
    // A host whose store was lost knows only what its runtime shows.
    if (!forgot_)
      around_.truth->CheckStart(id_, start.uid, start.container, started_[key], succeeded_.contains(key));
    ++started_[key];
  }
  if (!process_ || struck_) return;
  const Generation now = process_->agent.accepted();
  if (now < accepted_) {
    around_.story.Violate(id_ + ": accepted Generation fell from " + std::to_string(accepted_.epoch) + "." +
                          std::to_string(accepted_.number) + " to " + std::to_string(now.epoch) + "." +
                          std::to_string(now.number));
  }
  accepted_ = now;
}

}  // namespace slicelet::sim
