// How a pod's parts are started. The slow ones (sandbox, image, volumes) run side by side.
#include <algorithm>
#include <utility>

#include "common/log/log.h"
#include "edge-agent/images/docker_config.h"
#include "edge-agent/pod/container_config.h"
#include "edge-agent/pod/expansion.h"
#include "edge-agent/pod/pod_record.h"
#include "edge-agent/pod/pod_worker.h"

namespace slicelet::agent {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// kubelet: pod sync errors are tried again after 10 s; a sandbox sooner, because nothing else goes on
/// without it.
constexpr Duration kSyncRetry = seconds(10);
constexpr Duration kSandboxRetry = seconds(1);
constexpr Duration kSandboxRetryCap = seconds(30);
constexpr Duration kPullRetry = seconds(10);
constexpr Duration kPullRetryCap = seconds(300);
constexpr Duration kVolumeRetry = milliseconds(500);
constexpr Duration kVolumeRetryCap = seconds(122);
constexpr Duration kLongestHook = std::chrono::hours(1);

std::string Seconds(Duration duration) {
  const auto millis = std::chrono::duration_cast<milliseconds>(duration).count();
  return std::to_string(millis / 1000) + "." + std::to_string(1000 + millis % 1000).substr(1) + "s";
}

}  // namespace

void PodWorker::PrepareVolumes() {
  NoteVolumes(volumes_.Prepare(model_.workload, VolumeSources()));
  kick_again_ = true;
}

void PodWorker::NoteVolumes(const absl::Status& written) {
  if (written.ok()) {
    model_.volumes = PodModel::Volumes::kReady;
    model_.volumes_setback.reset();
    return;
  }
  Event(true, "FailedMount", Message(written));
  SetSetback(model_.volumes_setback, "ContainerCreating", Message(written), kVolumeRetry, kVolumeRetryCap);
  model_.volumes = PodModel::Volumes::kNone;
}

// ---- The sandbox

void PodWorker::RunSandbox() {
  model_.sandbox.busy = true;
  sandbox_waits_ = true;
  shared_.starts.Wait(lifetime_.Guard([this](const StartQueue::Turn& turn) {
    if (!std::exchange(sandbox_waits_, false)) return;
    model_.sandbox.busy = false;
    // What was wanted when it began to wait may be over.
    if (PlanPod(model_, Now()).run_sandbox) MakeSandbox(turn);
    Kick();
  }));
}

void PodWorker::MakeSandbox(const StartQueue::Turn& turn) {
  const std::uint32_t attempt = model_.record.sandbox_attempt();
  absl::StatusOr<SandboxConfig> config =
      MakeSandboxConfig(shared_.options, model_.workload, attempt, shared_.dependencies.files);
  absl::Status status = config.status();
  if (status.ok()) status = shared_.dependencies.files.MakeDirectories(config->log_directory, 0755);
  if (!status.ok()) {
    Event(true, "FailedCreatePodSandBox", "Failed to create pod sandbox: " + Message(status));
    SetSetback(model_.sandbox.setback, "ContainerCreating", Message(status), kSandboxRetry, kSandboxRetryCap);
    return;
  }
  model_.sandbox.busy = true;
  model_.sandbox.attempt = attempt;
  // The name is reserved with the attempt, whatever becomes of the call.
  model_.record.set_sandbox_attempt(attempt + 1);
  shared_.dependencies.runtime.RunSandbox(
      *config, lifetime_.Guard([this, turn](const absl::StatusOr<std::string>& id) {
        model_.sandbox.busy = false;
        touched_["sandbox"] = Now();
        if (!id.ok()) {
          Event(true, "FailedCreatePodSandBox", "Failed to create pod sandbox: " + Message(id.status()));
          SetSetback(model_.sandbox.setback, "ContainerCreating", Message(id.status()), kSandboxRetry,
                     kSandboxRetryCap);
          // A sandbox that was made after all is found by the list, adopted or removed.
          model_.sandbox.unknown = IsUncertain(id.status());
          Kick();
          return;
        }
        OnSandboxMade(*id);
      }));
}

void PodWorker::OnSandboxMade(const std::string& id) {
  SandboxModel& sandbox = model_.sandbox;
  sandbox.id = id;
  sandbox.ready = true;
  sandbox.setback.reset();
  sandbox.ips.clear();
  sandbox.address_known = model_.workload.host_network();
  model_.initialized = false;
  if (!sandbox.address_known) AskSandboxAddress();
  Kick();
}

void PodWorker::AskSandboxAddress() {
  const std::string id = model_.sandbox.id;
  shared_.dependencies.runtime.GetSandbox(
      id, lifetime_.Guard([this, id](const absl::StatusOr<SandboxStatus>& status) {
        if (model_.sandbox.id != id || model_.sandbox.address_known) return;
        if (!status.ok() && !absl::IsNotFound(status.status())) {
          shared_.dependencies.loop.RunAfter(seconds(1), lifetime_.Guard([this, id] {
            if (model_.sandbox.id == id && !model_.sandbox.address_known) AskSandboxAddress();
          }));
          return;
        }
        if (!status.ok() || !status->sandbox.ready) {
          model_.sandbox.ready = false;
        } else {
          model_.sandbox.ips = status->ips;
          model_.sandbox.address_known = true;
          const bool needed = std::any_of(
              model_.workload.volumes().begin(), model_.workload.volumes().end(),
              [](const v1::Volume& volume) {
                return std::any_of(volume.projection().sources().begin(), volume.projection().sources().end(),
                                   [](const v1::Projection::Source& source) {
                                     return source.downward().field().rfind("status.podIP", 0) == 0;
                                   });
              });
          if (needed && model_.volumes == PodModel::Volumes::kReady) {
            NoteVolumes(volumes_.Refresh(model_.workload, VolumeSources()));
          }
        }
        Kick();
      }));
}

// ---- Images

std::vector<RegistryAuth> PodWorker::PullCredentials(const std::string& image) {
  std::vector<RegistryAuth> auths;
  for (const auto& content_id : model_.workload.pull_secrets()) {
    const absl::StatusOr<v1::FileSet> secret = ReadContent(content_id);
    absl::Status status = secret.status();
    if (status.ok()) {
      const absl::StatusOr<DockerConfig> config = DockerConfig::Parse(*secret);
      status = config.status();
      if (config.ok()) {
        for (auto& auth : config->Lookup(image)) auths.push_back(std::move(auth));
      }
    }
    if (!status.ok()) {
      Event(true, "FailedToRetrieveImagePullSecret",
            "Unable to use image pull secret " + content_id + ": " + Message(status));
    }
  }
  return auths;
}

void PodWorker::EnsureImage(const std::string& name) {
  const v1::Container* container = SpecOf(name);
  ImageModel& image = model_.containers[name].image;
  const std::string wanted = container->image();
  if (image.name != wanted) image.setback.reset();
  image.name = wanted;
  image.busy = true;
  image.ready.reset();
  shared_.images.Ensure(
      wanted, container->pull_policy(), PullCredentials(wanted), lifetime_.Guard([this, name, wanted] {
        Event(false, "Pulling", "Pulling image \"" + wanted + "\"", name);
        Publish();
      }),
      lifetime_.Guard([this, name, wanted](const absl::StatusOr<ImageProvider::Result>& result) {
        ImageModel& done = model_.containers[name].image;
        done.busy = false;
        if (result.ok()) {
          done.ready = result->image;
          done.setback.reset();
          Event(false, "Pulled",
                result->pulled ? "Successfully pulled image \"" + wanted + "\" in " + Seconds(result->took)
                               : "Container image \"" + wanted + "\" already present on machine",
                name);
          Kick();
          return;
        }
        const absl::Status& status = result.status();
        std::string reason = "ErrImagePull";
        std::string message = Message(status);
        if (absl::IsInvalidArgument(status)) {
          reason = "InvalidImageName";
          message = "Failed to apply default image tag \"" + wanted + "\": " + message;
          Event(true, "InspectFailed", message, name);
        } else if (absl::IsFailedPrecondition(status)) {
          reason = "ErrImageNeverPull";
          Event(true, "ErrImageNeverPull", message, name);
        } else {
          Event(true, "Failed", "Failed to pull image \"" + wanted + "\": " + message, name);
          Event(true, "Failed", "Error: ErrImagePull", name);
        }
        SetSetback(done.setback, reason, message, kPullRetry, kPullRetryCap);
        Kick();
        if (reason == "ErrImagePull" && done.setback) {
          // Shown once as the error, from then on as the backoff.
          done.setback->reason = "ImagePullBackOff";
          done.setback->message = "Back-off pulling image \"" + wanted + "\": ErrImagePull: " + message;
          shared_.dependencies.loop.RunAfter(seconds(1), lifetime_.Guard([this] { Kick(); }));
          Event(false, "BackOff", "Back-off pulling image \"" + wanted + "\"", name);
        }
      }));
}

// ---- Containers

absl::StatusOr<ContainerConfig> PodWorker::BuildContainer(const v1::Container& container, bool init,
                                                          std::uint32_t attempt) {
  // What it needs does not exist in Kubernetes; the other containers do not wait for that.
  if (!container.config_error().empty()) return absl::FailedPreconditionError(container.config_error());
  const HostFacts facts = Facts();
  ContainerInputs inputs;
  inputs.attempt = attempt;
  inputs.restart_count = NextRestartCount(model_, container.name());
  inputs.init = init;
  inputs.image = *model_.containers[container.name()].image.ready;
  SLICELET_ASSIGN_OR_RETURN(
      inputs.environment,
      ResolveEnvironment(
          model_.workload, container, [this](const std::string& id) { return ReadContent(id); }, facts));
  for (const auto& mount : container.mounts()) {
    const std::string sub_path = mount.sub_path_expr().empty()
                                     ? mount.sub_path()
                                     : Expand(mount.sub_path_expr(), inputs.environment.values);
    SLICELET_ASSIGN_OR_RETURN(
        std::string source,
        volumes_.MountSource(model_.workload, mount, sub_path, shared_.options.policy.host_path_prefixes));
    inputs.mount_sources.push_back(std::move(source));
  }
  SLICELET_ASSIGN_OR_RETURN(inputs.hosts_file,
                            volumes_.WriteHosts(model_.workload, HostnameOf(model_.workload), facts.pod_ips));
  if (!container.termination_message_path().empty()) {
    SLICELET_ASSIGN_OR_RETURN(inputs.termination_log, volumes_.MakeTerminationLog(container.name(), attempt));
  }
  SLICELET_RETURN_IF_ERROR(shared_.dependencies.files.MakeDirectories(
      PodLogDirectory(shared_.options, model_.workload.namespace_(), model_.workload.name(), uid_.value()) +
          "/" + container.name(),
      0755));
  return MakeContainerConfig(shared_.options, model_.workload, container, inputs);
}

void PodWorker::StartContainer(const std::string& name) {
  bool init = false;
  const v1::Container* container = SpecOf(name, &init);
  ContainerModel& model = model_.containers[name];
  const std::uint32_t attempt = NextAttempt(model_, name);
  const absl::StatusOr<ContainerConfig> config = BuildContainer(*container, init, attempt);
  absl::StatusOr<SandboxConfig> sandbox =
      MakeSandboxConfig(shared_.options, model_.workload, model_.sandbox.attempt, shared_.dependencies.files);
  const absl::Status built = config.ok() ? sandbox.status() : config.status();
  if (!built.ok()) {
    Event(true, "Failed", "Error: " + Message(built), name);
    SetSetback(model.setback, "CreateContainerConfigError", Message(built), kSyncRetry, kSyncRetry);
    kick_again_ = true;
    return;
  }
  model.operation = ContainerModel::Operation::kStarting;
  starting_.insert(name);
  const std::string image_id = config->image;
  const std::string image = container->image();
  shared_.dependencies.runtime.CreateContainer(
      model_.sandbox.id, *config, *sandbox,
      lifetime_.Guard([this, name, attempt, image_id, image,
                       turn = shared_.starts.Take()](const absl::StatusOr<std::string>& id) {
        ContainerModel& created = model_.containers[name];
        touched_[name] = Now();
        if (id.ok()) {
          OnCreated(name, attempt, image, image_id, *id, turn);
          return;
        }
        created.operation = ContainerModel::Operation::kNone;
        starting_.erase(name);
        created.attempt_floor = static_cast<std::int32_t>(attempt) + 1;
        created.image.ready.reset();
        Event(true, "Failed", "Error: " + Message(id.status()), name);
        SetSetback(created.setback, "CreateContainerError", Message(id.status()), kSyncRetry, kPullRetryCap);
        IsUncertain(id.status());
        Kick();
      }));
}

void PodWorker::OnCreated(const std::string& name, std::uint32_t attempt, const std::string& image,
                          const std::string& image_id, const std::string& id, const StartQueue::Turn& turn) {
  bool init = false;
  const v1::Container* container = SpecOf(name, &init);
  ContainerModel& model = model_.containers[name];
  // The image may have changed while it was made: the record would name what does not run.
  const bool outdated = container != nullptr && container->image() != image;
  if (model_.stop || container == nullptr || outdated || model_.record.has_terminal_phase()) {
    model.operation = ContainerModel::Operation::kNone;
    starting_.erase(name);
    model.attempt_floor = static_cast<std::int32_t>(attempt) + 1;
    RemoveStale(name, id);
    Kick();
    return;
  }
  if (model.exists()) garbage_.push_back(model.id);
  BeginAttempt(model_, *container, init, attempt, id, image_id);
  model.post_start_done = !container->has_post_start();
  model.startup_passed = !container->has_startup_probe();
  model.ready_probe_passed = !container->has_readiness_probe();
  Event(false, "Created", "Created container: " + name, name);
  // The attempt becomes durable while the container starts.
  Commit();
  shared_.dependencies.runtime.StartContainer(
      id, lifetime_.Guard([this, name, id, turn](const absl::Status& status) {
        touched_[name] = Now();
        if (!status.ok()) {
          OnStartFailed(name, id, status);
          return;
        }
        Event(false, "Started", "Started container " + name, name);
        model_.containers[name].setback.reset();
        Settle(name, id, absl::OkStatus());
      }));
}

void PodWorker::OnStartFailed(const std::string& name, const std::string& id, const absl::Status& status) {
  Event(true, "Failed", "Error: " + Message(status), name);
  Settle(name, id, status);
}

void PodWorker::Settle(const std::string& name, const std::string& id, const absl::Status& start) {
  Inspect(name, id, [this, name, id, start](bool answered) {
    starting_.erase(name);
    ContainerModel& model = model_.containers[name];
    if (model.id != id || model.operation != ContainerModel::Operation::kStarting) return;
    if (!answered) {
      // Whether it runs is not known: nothing else may be started in its place.
      shared_.dependencies.loop.RunAfter(
          kSandboxRetry, lifetime_.Guard([this, name, id, start] { Settle(name, id, start); }));
      return;
    }
    model.operation = ContainerModel::Operation::kNone;
    if (model.running()) {
      OnRunning(name, false);
      return;
    }
    // An exit (StartError too) is the restart policy's matter. Still only created: it is made anew.
    if (model.phase == ContainerPhase::kCreated) {
      ForgetAttempt(model_, name);
      RemoveStale(name, id);
      SetSetback(model.setback, "RunContainerError", Message(start), kSyncRetry, kPullRetryCap);
    }
  });
}

void PodWorker::OnRunning(const std::string& name, bool adopted) {
  const v1::Container* container = SpecOf(name);
  if (container == nullptr) return;
  ContainerModel& model = model_.containers[name];
  const std::string id = model.id;
  const std::string own = shared_.options.host_ip;
  if (adopted) {
    model.post_start_done = true;
    model.startup_passed = !container->has_startup_probe();
    model.ready_probe_passed = !container->has_readiness_probe();
    if (container->has_startup_probe() || container->has_readiness_probe()) unsettled_.insert(name);
  } else if (container->has_post_start()) {
    RunHandler(shared_.dependencies.loop, shared_.dependencies.runtime, shared_.dependencies.prober,
               container->post_start(), id, FindCheckHost(own).value_or(CheckHost{}).address, kLongestHook,
               lifetime_.Guard([this, name, id](const absl::Status& status) {
                 ContainerModel& done = model_.containers[name];
                 if (done.id != id || !done.running()) return;
                 if (status.ok()) {
                   done.post_start_done = true;
                 } else {
                   Event(true, "FailedPostStartHook", "PostStartHook failed: " + Message(status), name);
                   done.kill_message = "FailedPostStartHook";
                 }
                 Kick();
               }));
  }
  if (!container->has_startup_probe() && !container->has_liveness_probe() &&
      !container->has_readiness_probe()) {
    return;
  }
  ContainerProbes::Events events;
  events.on_started = [this, name] {
    model_.containers[name].startup_passed = true;
    if (!SpecOf(name) || !SpecOf(name)->has_readiness_probe()) unsettled_.erase(name);
    Kick();
  };
  events.on_ready = [this, name](bool ready) {
    model_.containers[name].ready_probe_passed = ready;
    unsettled_.erase(name);
    Kick();
  };
  events.on_failed = [this, name](const std::string& message) {
    model_.containers[name].kill_message = message;
    unsettled_.erase(name);
    Kick();
  };
  events.on_unhealthy = [this, name](const std::string& message) {
    Event(true, "Unhealthy", message, name);
    Publish();
  };
  events.on_undecided = [this, name] {
    unsettled_.erase(name);
    Kick();
  };
  probes_[name] = std::make_unique<ContainerProbes>(
      shared_.dependencies.loop, shared_.dependencies.runtime, shared_.dependencies.prober, *container, id,
      [this, own] { return FindCheckHost(own); }, model.started, events);
}

}  // namespace slicelet::agent
