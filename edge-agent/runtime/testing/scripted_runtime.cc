#include "edge-agent/runtime/testing/scripted_runtime.h"

#include <algorithm>

#include "common/base/encoding.h"

namespace slicelet::agent {
namespace {

absl::Status Gone() { return absl::UnavailableError("the container runtime can not be reached"); }

}  // namespace

ScriptedHost::ScriptedHost(Loop& loop, const Clock& clock, Random* random)
    : loop_(loop), clock_(clock), random_(random) {}

ScriptedHost::~ScriptedHost() = default;

std::string ScriptedHost::ImageId(const std::string& name) {
  if (name.rfind("sha256:", 0) == 0) return name;
  return "sha256:" + HexEncode(Sha256(name).value());
}

Duration ScriptedHost::Spread(Duration latency) {
  if (random_ == nullptr) return latency;
  return latency / 2 +
         Duration(static_cast<Duration::rep>(random_->Below(static_cast<std::uint64_t>(latency.count()))));
}

absl::Status ScriptedHost::Planned(const std::string& call) {
  ++calls_[call];
  if (!available_) return Gone();
  const auto it = planned_.find(call);
  if (it == planned_.end()) return absl::OkStatus();
  const absl::Status status = it->second.first;
  if (--it->second.second <= 0) planned_.erase(it);
  return status;
}

template <typename Result>
void ScriptedHost::Do(const std::string& call, Duration delay, std::function<Result()> effect,
                      std::function<void(Result)> done) {
  const absl::Status planned = Planned(call);
  if (!planned.ok()) {
    loop_.RunAfter(Spread(latency.call), [done = std::move(done), planned] { done(Result(planned)); });
    return;
  }
  const std::uint64_t outage = outage_;
  const std::uint64_t boot = boot_;
  loop_.RunAfter(Spread(delay),
                 lifetime_.Guard([this, outage, boot, effect = std::move(effect), done = std::move(done)] {
                   Result result = boot == boot_ ? effect() : Result(Gone());
                   if (outage != outage_) result = Result(Gone());
                   done(std::move(result));
                 }));
}

ImageScript ScriptedHost::ScriptOf(const std::string& image) const {
  for (const auto& [name, script] : images) {
    if (name == image || ImageId(name) == image) return script;
  }
  return {};
}

absl::StatusOr<Image> ScriptedHost::FindImage(const std::string& name_or_id) const {
  const auto found = [](const std::string& name, const ImageScript& script) {
    Image image;
    image.id = ImageId(name);
    image.tags = {name};
    image.digests = {name + "@" + ImageId(name)};
    image.size = script.size;
    image.pinned = script.pinned;
    image.user = script.user;
    image.username = script.username;
    return image;
  };
  for (const auto& [name, script] : images) {
    if ((name == name_or_id || ImageId(name) == name_or_id) && script.present) return found(name, script);
  }
  for (const auto& name : present_) {
    if (name == name_or_id || ImageId(name) == name_or_id) return found(name, ScriptOf(name));
  }
  return absl::NotFoundError("image " + name_or_id + " is not on this host");
}

absl::StatusOr<std::string> ScriptedHost::RunSandbox(const SandboxConfig& config) {
  for (const auto& [id, state] : sandboxes_) {
    if (state.sandbox.uid != config.uid) continue;
    if (state.sandbox.attempt == config.attempt) {
      return absl::InternalError("failed to reserve sandbox name: it is reserved for " + id);
    }
  }
  SandboxState state;
  state.sandbox.id = "sb" + std::to_string(next_id_++);
  state.sandbox.name = config.name;
  state.sandbox.ns = config.ns;
  state.sandbox.uid = config.uid;
  state.sandbox.attempt = config.attempt;
  state.sandbox.ready = true;
  state.sandbox.created_at = ToUnixNanos(clock_.Now());
  state.sandbox.labels = config.labels;
  state.sandbox.annotations = config.annotations;
  state.config = config;
  const auto number = next_id_;
  if (!config.namespaces.host_network) {
    state.ip = "10.88." + std::to_string(number / 250 % 250) + "." + std::to_string(number % 250 + 1);
  }
  std::string id = state.sandbox.id;
  sandboxes_.emplace(id, std::move(state));
  return id;
}

void ScriptedHost::ExitAll(const std::string& sandbox_id, std::int32_t code, const std::string& reason) {
  std::vector<std::pair<std::string, std::uint64_t>> running;
  for (const auto& [id, state] : containers_) {
    if (state.container.sandbox_id == sandbox_id && state.container.phase == ContainerPhase::kRunning) {
      running.emplace_back(id, state.life);
    }
  }
  for (const auto& [id, life] : running) Exit(id, life, code, reason);
}

absl::Status ScriptedHost::StopSandbox(const std::string& id) {
  const auto it = sandboxes_.find(id);
  if (it == sandboxes_.end()) return absl::OkStatus();
  ExitAll(id, 137, "Error");
  it->second.sandbox.ready = false;
  return absl::OkStatus();
}

absl::Status ScriptedHost::RemoveSandbox(const std::string& id) {
  if (sandboxes_.count(id) == 0) return absl::OkStatus();
  StopSandbox(id).IgnoreError();
  for (auto it = containers_.begin(); it != containers_.end();) {
    it = it->second.container.sandbox_id == id ? containers_.erase(it) : std::next(it);
  }
  sandboxes_.erase(id);
  return absl::OkStatus();
}

absl::StatusOr<std::string> ScriptedHost::CreateContainer(const std::string& sandbox_id,
                                                          const ContainerConfig& config) {
  const auto sandbox = sandboxes_.find(sandbox_id);
  if (sandbox == sandboxes_.end()) return absl::NotFoundError("sandbox " + sandbox_id + " not found");
  if (!sandbox->second.sandbox.ready) return absl::InternalError("sandbox " + sandbox_id + " is not running");
  const absl::StatusOr<Image> image = FindImage(config.image);
  if (!image.ok()) return image.status();
  for (const auto& [id, state] : containers_) {
    if (state.uid == sandbox->second.sandbox.uid && state.container.name == config.name &&
        state.container.attempt == config.attempt && state.container.sandbox_id == sandbox_id) {
      return absl::InternalError("failed to reserve container name: it is reserved for " + id);
    }
  }
  ContainerState state;
  state.uid = sandbox->second.sandbox.uid;
  state.config = config;
  Container& container = state.container;
  container.id = "c" + std::to_string(next_id_++);
  container.sandbox_id = sandbox_id;
  container.name = config.name;
  container.image = config.image_name;
  container.image_ref = image->id;
  container.attempt = config.attempt;
  container.phase = ContainerPhase::kCreated;
  container.labels = config.labels;
  container.annotations = config.annotations;
  container.created_at = ToUnixNanos(clock_.Now());
  std::string id = container.id;
  containers_.emplace(id, std::move(state));
  return id;
}

absl::Status ScriptedHost::StartContainer(const std::string& id) {
  const auto it = containers_.find(id);
  if (it == containers_.end()) return absl::NotFoundError("container " + id + " not found");
  ContainerState& state = it->second;
  Container& container = state.container;
  if (container.phase != ContainerPhase::kCreated) {
    return absl::InternalError("container " + id + " is not in created state");
  }
  const ImageScript script = ScriptOf(container.image_ref);
  const auto sandbox = sandboxes_.find(container.sandbox_id);
  const bool alive = sandbox != sandboxes_.end() && sandbox->second.sandbox.ready;
  if (script.fails_to_start || !alive) {
    container.phase = ContainerPhase::kExited;
    container.exit_code = 128;
    container.reason = "StartError";
    container.message = alive ? "exec: no such file or directory"
                              : "sandbox container " + container.sandbox_id + " is not running";
    container.finished_at = ToUnixNanos(clock_.Now());
    return absl::UnknownError("failed to start container " + id + ": " + container.message);
  }
  for (const auto& [other_id, other] : containers_) {
    if (other.uid == state.uid && other.container.name == container.name &&
        other.container.phase == ContainerPhase::kRunning) {
      std::string& violation = violations_.emplace_back("two running instances of ");
      violation.append(state.uid).append("/").append(container.name).append(": ").append(other_id);
      violation.append(" and ").append(id);
    }
  }
  container.phase = ContainerPhase::kRunning;
  container.started_at = ToUnixNanos(clock_.Now());
  const std::uint64_t life = ++state.life;
  starts_.push_back({state.uid, container.name, container.image, id, container.attempt, loop_.Now()});
  WakeUp(id);
  if (script.exits_after) {
    loop_.RunAfter(*script.exits_after, lifetime_.Guard([this, id, life, code = script.exit_code] {
      Exit(id, life, code, code == 0 ? "Completed" : "Error");
    }));
  }
  return absl::OkStatus();
}

void ScriptedHost::Exit(const std::string& id, std::uint64_t life, std::int32_t code,
                        const std::string& reason) {
  const auto it = containers_.find(id);
  if (it == containers_.end() || it->second.life != life) return;
  Container& container = it->second.container;
  if (container.phase != ContainerPhase::kRunning) return;
  container.phase = ContainerPhase::kExited;
  container.exit_code = code;
  container.reason = reason;
  container.finished_at = ToUnixNanos(clock_.Now());
  ++it->second.life;
  const auto waiting = waiting_for_exit_.find(id);
  if (waiting != waiting_for_exit_.end()) {
    for (auto& done : waiting->second) {
      loop_.RunAfter(latency.call, [done = std::move(done)] { done(absl::OkStatus()); });
    }
    waiting_for_exit_.erase(waiting);
  }
  WakeUp(id);
}

void ScriptedHost::StopContainer(const std::string& id, Duration grace, StatusCallback done) {
  const absl::Status planned = Planned("StopContainer");
  if (!planned.ok()) {
    loop_.RunAfter(Spread(latency.call), [done = std::move(done), planned] { done(planned); });
    return;
  }
  const auto it = containers_.find(id);
  if (it == containers_.end() || it->second.container.phase != ContainerPhase::kRunning) {
    loop_.RunAfter(Spread(latency.call), [done = std::move(done)] { done(absl::OkStatus()); });
    return;
  }
  const std::uint64_t outage = outage_;
  waiting_for_exit_[id].push_back(
      lifetime_.Guard([this, outage, done = std::move(done)](const absl::Status& status) {
        done(outage == outage_ ? status : Gone());
      }));
  const ImageScript script = ScriptOf(it->second.container.image_ref);
  const std::uint64_t life = it->second.life;
  if (!script.ignores_sigterm && script.stop_time < grace) {
    loop_.RunAfter(Spread(script.stop_time), lifetime_.Guard([this, id, life, code = script.stop_exit_code] {
      Exit(id, life, code, code == 0 ? "Completed" : "Error");
    }));
  }
  loop_.RunAfter(grace + latency.call, lifetime_.Guard([this, id, life] { Exit(id, life, 137, "Error"); }));
}

void ScriptedHost::WakeUp(const std::string& container_id) {
  if (lose_events_ || !available_) return;
  loop_.RunAfter(Spread(latency.event), lifetime_.Guard([this, container_id] {
    for (ScriptedRuntime* client : std::set<ScriptedRuntime*>(clients_)) {
      if (client->wake_up_) client->wake_up_({container_id});
    }
  }));
}

void ScriptedHost::Reboot() {
  for (auto& [id, state] : containers_) {
    if (state.container.phase != ContainerPhase::kRunning) continue;
    state.container.phase = ContainerPhase::kExited;
    state.container.exit_code = 255;
    state.container.reason = "Unknown";
    ++state.life;
  }
  for (auto& [id, state] : sandboxes_) state.sandbox.ready = false;
  waiting_for_exit_.clear();
  ++outage_;
  ++boot_;
}

void ScriptedHost::SetAvailable(bool available) {
  if (available == available_) return;
  available_ = available;
  ++outage_;
  WakeUp("");
}

void ScriptedHost::Restart(Duration outage) {
  SetAvailable(false);
  loop_.RunAfter(outage, lifetime_.Guard([this] { SetAvailable(true); }));
}

void ScriptedHost::Fail(const std::string& call, absl::Status status, int times) {
  planned_[call] = {std::move(status), times};
}

void ScriptedHost::Kill(const std::string& container_id, std::int32_t exit_code, const std::string& reason) {
  const auto it = containers_.find(container_id);
  if (it != containers_.end()) Exit(container_id, it->second.life, exit_code, reason);
}

void ScriptedHost::LoseTrack(const std::string& container_id, bool lost) {
  containers_.at(container_id).container.phase = lost ? ContainerPhase::kUnknown : ContainerPhase::kRunning;
  WakeUp(container_id);
}

void ScriptedHost::Vanish(const std::string& container_id) {
  containers_.erase(container_id);
  WakeUp(container_id);
}

void ScriptedHost::KillSandbox(const std::string& sandbox_id) {
  const auto it = sandboxes_.find(sandbox_id);
  if (it == sandboxes_.end()) return;
  ExitAll(sandbox_id, 137, "Error");
  it->second.sandbox.ready = false;
  WakeUp(sandbox_id);
}

int ScriptedHost::StartCount(const std::string& uid, const std::string& container) const {
  return static_cast<int>(std::count_if(starts_.begin(), starts_.end(), [&](const StartRecord& start) {
    return start.uid == uid && start.container == container;
  }));
}

std::map<std::string, std::string> ScriptedHost::Running(const std::string& uid) const {
  std::map<std::string, std::string> running;
  for (const auto& [id, state] : containers_) {
    if (state.uid == uid && state.container.phase == ContainerPhase::kRunning)
      running[state.container.name] = id;
  }
  return running;
}

// ---- The client

ScriptedRuntime::ScriptedRuntime(ScriptedHost& host) : host_(host) {
  host_.clients_.insert(this);
  for (auto& [id, state] : host_.containers_) state.told.reset();
}

ScriptedRuntime::~ScriptedRuntime() { host_.clients_.erase(this); }

template <typename Result>
void ScriptedRuntime::Do(const std::string& call, Duration delay, std::function<Result()> effect,
                         std::function<void(Result)> done) {
  host_.Do<Result>(call, delay, std::move(effect), lifetime_.Guard(std::move(done)));
}

void ScriptedRuntime::GetInfo(Callback<RuntimeInfo> done) {
  Do<absl::StatusOr<RuntimeInfo>>(
      "GetInfo", host_.latency.call,
      [&host = host_] { return RuntimeInfo{"scripted", "1.0", true, host.network_ready_, ""}; },
      std::move(done));
}

void ScriptedRuntime::RunSandbox(const SandboxConfig& config, Callback<std::string> done) {
  Do<absl::StatusOr<std::string>>(
      "RunSandbox", host_.latency.run_sandbox, [&host = host_, config] { return host.RunSandbox(config); },
      std::move(done));
}

void ScriptedRuntime::StopSandbox(const std::string& id, StatusCallback done) {
  Do<absl::Status>(
      "StopSandbox", host_.latency.stop_sandbox, [&host = host_, id] { return host.StopSandbox(id); },
      std::move(done));
}

void ScriptedRuntime::RemoveSandbox(const std::string& id, StatusCallback done) {
  Do<absl::Status>(
      "RemoveSandbox", host_.latency.remove, [&host = host_, id] { return host.RemoveSandbox(id); },
      std::move(done));
}

void ScriptedRuntime::GetSandbox(const std::string& id, Callback<SandboxStatus> done) {
  Do<absl::StatusOr<SandboxStatus>>(
      "GetSandbox", host_.latency.call,
      [&host = host_, id]() -> absl::StatusOr<SandboxStatus> {
        const auto it = host.sandboxes_.find(id);
        if (it == host.sandboxes_.end()) return absl::NotFoundError("sandbox " + id + " not found");
        SandboxStatus status;
        status.sandbox = it->second.sandbox;
        status.host_network = it->second.config.namespaces.host_network;
        if (!it->second.ip.empty() && it->second.sandbox.ready) status.ips = {it->second.ip};
        return status;
      },
      std::move(done));
}

void ScriptedRuntime::ListSandboxes(Callback<std::vector<Sandbox>> done) {
  Do<absl::StatusOr<std::vector<Sandbox>>>(
      "ListSandboxes", host_.latency.call,
      [&host = host_] {
        std::vector<Sandbox> all;
        for (const auto& [id, state] : host.sandboxes_) {
          if (state.sandbox.labels.count(kManagedLabel) != 0) all.push_back(state.sandbox);
        }
        return all;
      },
      std::move(done));
}

void ScriptedRuntime::CreateContainer(const std::string& sandbox_id, const ContainerConfig& config,
                                      const SandboxConfig&, Callback<std::string> done) {
  Do<absl::StatusOr<std::string>>(
      "CreateContainer", host_.latency.create,
      [&host = host_, sandbox_id, config] { return host.CreateContainer(sandbox_id, config); },
      std::move(done));
}

void ScriptedRuntime::StartContainer(const std::string& id, StatusCallback done) {
  Do<absl::Status>(
      "StartContainer", host_.latency.start, [&host = host_, id] { return host.StartContainer(id); },
      std::move(done));
}

void ScriptedRuntime::StopContainer(const std::string& id, Duration grace, StatusCallback done) {
  host_.StopContainer(id, grace, lifetime_.Guard(std::move(done)));
}

void ScriptedRuntime::RemoveContainer(const std::string& id, StatusCallback done) {
  const auto it = host_.containers_.find(id);
  const bool running =
      it != host_.containers_.end() && it->second.container.phase == ContainerPhase::kRunning;
  Do<absl::Status>(
      "RemoveContainer", running ? host_.latency.remove_running : host_.latency.remove,
      [&host = host_, id] {
        host.Kill(id, 137);
        host.containers_.erase(id);
        return absl::OkStatus();
      },
      std::move(done));
}

void ScriptedRuntime::GetContainer(const std::string& id, Callback<Container> done) {
  Do<absl::StatusOr<Container>>(
      "GetContainer", host_.latency.call,
      [&host = host_, id]() -> absl::StatusOr<Container> {
        const auto it = host.containers_.find(id);
        if (it == host.containers_.end()) return absl::NotFoundError("container " + id + " not found");
        if (host.mute_.count(id) != 0) return absl::UnknownError("failed to get the status of " + id);
        ScriptedHost::ContainerState& state = it->second;
        if (state.container.phase == ContainerPhase::kExited && !state.told) state.told = host.loop_.Now();
        return state.container;
      },
      std::move(done));
}

void ScriptedRuntime::ListContainers(Callback<std::vector<Container>> done) {
  Do<absl::StatusOr<std::vector<Container>>>(
      "ListContainers", host_.latency.call,
      [&host = host_] {
        std::vector<Container> all;
        for (const auto& [id, state] : host.containers_) {
          if (state.container.labels.count(kManagedLabel) == 0) continue;
          // A listing tells no more than the real one: the rest needs a status call.
          Container listed = state.container;
          listed.started_at = listed.finished_at = 0;
          listed.exit_code = 0;
          listed.reason.clear();
          listed.message.clear();
          all.push_back(std::move(listed));
        }
        return all;
      },
      std::move(done));
}

void ScriptedRuntime::ReopenLog(const std::string& id, StatusCallback done) {
  Do<absl::Status>(
      "ReopenLog", host_.latency.call,
      [&host = host_, id] {
        return host.containers_.count(id) != 0 ? absl::OkStatus()
                                               : absl::NotFoundError("container not found");
      },
      std::move(done));
}

void ScriptedRuntime::ExecSync(const std::string& id, const std::vector<std::string>& command,
                               Duration timeout, Callback<ExecResult> done) {
  const auto it = host_.containers_.find(id);
  std::optional<ExecResult> result = ExecResult{};
  absl::Status status;
  if (it == host_.containers_.end() || it->second.container.phase != ContainerPhase::kRunning) {
    status = absl::NotFoundError("container " + id + " is not running");
  } else {
    const ImageScript script = host_.ScriptOf(it->second.container.image_ref);
    if (script.exec) result = script.exec(command);
  }
  const Duration delay = status.ok() && !result ? timeout : host_.latency.call;
  Do<absl::StatusOr<ExecResult>>(
      "ExecSync", delay,
      [status, result]() -> absl::StatusOr<ExecResult> {
        if (!status.ok()) return status;
        if (!result) return absl::DeadlineExceededError("command timed out");
        return *result;
      },
      std::move(done));
}

void ScriptedRuntime::GetImage(const std::string& name, Callback<Image> done) {
  Do<absl::StatusOr<Image>>(
      "GetImage", host_.latency.call, [&host = host_, name] { return host.FindImage(name); },
      std::move(done));
}

void ScriptedRuntime::PullImage(const std::string& name, const std::optional<RegistryAuth>& auth,
                                Callback<std::string> done) {
  const ImageScript script = host_.ScriptOf(name);
  Do<absl::StatusOr<std::string>>(
      "PullImage", script.pull_time,
      [&host = host_, name, script, auth]() -> absl::StatusOr<std::string> {
        if (script.missing)
          return absl::NotFoundError("failed to resolve reference \"" + name + "\": not found");
        if (!script.pull_user.empty() && (!auth || auth->username != script.pull_user)) {
          return absl::PermissionDeniedError("pull access denied for " + name);
        }
        host.present_.insert(name);
        return ScriptedHost::ImageId(name);
      },
      std::move(done));
}

void ScriptedRuntime::ListImages(Callback<std::vector<Image>> done) {
  Do<absl::StatusOr<std::vector<Image>>>(
      "ListImages", host_.latency.call,
      [&host = host_] {
        std::map<std::string, Image> all;
        for (const auto& [name, script] : host.images) {
          if (script.present) all.emplace(name, *host.FindImage(name));
        }
        for (const auto& name : host.present_) all.emplace(name, *host.FindImage(name));
        std::vector<Image> list;
        list.reserve(all.size());
        for (auto& [name, image] : all) list.push_back(std::move(image));
        return list;
      },
      std::move(done));
}

void ScriptedRuntime::RemoveImage(const std::string& id, StatusCallback done) {
  Do<absl::Status>(
      "RemoveImage", host_.latency.remove,
      [&host = host_, id] {
        for (auto it = host.present_.begin(); it != host.present_.end();) {
          it = *it == id || ScriptedHost::ImageId(*it) == id ? host.present_.erase(it) : std::next(it);
        }
        for (auto& [name, script] : host.images) {
          if (name == id || ScriptedHost::ImageId(name) == id) script.present = false;
        }
        return absl::OkStatus();
      },
      std::move(done));
}

void ScriptedRuntime::ListUsedImages(Callback<std::vector<std::string>> done) {
  Do<absl::StatusOr<std::vector<std::string>>>(
      "ListUsedImages", host_.latency.call,
      [&host = host_] {
        std::vector<std::string> used;
        used.reserve(host.containers_.size());
        for (const auto& [id, state] : host.containers_) used.push_back(state.container.image_ref);
        return used;
      },
      std::move(done));
}

void ScriptedRuntime::GetImageRoot(Callback<std::string> done) {
  Do<absl::StatusOr<std::string>>(
      "GetImageRoot", host_.latency.call, [] { return std::string("/images"); }, std::move(done));
}

void ScriptedRuntime::ExecUrl(const ExecOptions&, Callback<std::string> done) {
  Do<absl::StatusOr<std::string>>(
      "ExecUrl", host_.latency.call, [] { return absl::UnimplementedError("scripted hosts do not stream"); },
      std::move(done));
}

void ScriptedRuntime::AttachUrl(const ExecOptions&, Callback<std::string> done) {
  Do<absl::StatusOr<std::string>>(
      "AttachUrl", host_.latency.call,
      [] { return absl::UnimplementedError("scripted hosts do not stream"); }, std::move(done));
}

void ScriptedRuntime::PortForwardUrl(const std::string&, const std::vector<std::int32_t>&,
                                     Callback<std::string> done) {
  Do<absl::StatusOr<std::string>>(
      "PortForwardUrl", host_.latency.call,
      [] { return absl::UnimplementedError("scripted hosts do not stream"); }, std::move(done));
}

void ScriptedRuntime::OnWakeUp(std::function<void(WakeUp)> wake_up) {
  wake_up_ = std::move(wake_up);
  host_.loop_.Post(lifetime_.Guard([this] {
    if (wake_up_) wake_up_({""});
  }));
}

}  // namespace slicelet::agent
