// What the runtime shows, taken into the model: adoption after a restart, wake-ups, repair.
#include <algorithm>

#include "common/base/utf8.h"
#include "common/log/log.h"
#include "edge-agent/pod/container_config.h"
#include "edge-agent/pod/log_files.h"
#include "edge-agent/pod/pod_record.h"
#include "edge-agent/pod/pod_worker.h"

namespace slicelet::agent {
namespace {

constexpr std::int32_t kUnknownExitCode = 137;
/// How long the runtime is asked of a container that it lists and does not tell of.
constexpr Duration kPatience = std::chrono::minutes(2);

template <typename Map>
std::string Value(const Map& map, const char* key) {
  const auto it = map.find(key);
  return it == map.end() ? "" : it->second;
}

}  // namespace

void PodWorker::Reconcile(const std::vector<Sandbox>& sandboxes, const std::vector<Container>& containers,
                          MonotonicTime since) {
  if (removing_ || gone_) return;
  if (model_.record.name().empty() && !sandboxes.empty()) {
    // The store forgot it: its names are in the labels.
    TakeNames(Value(sandboxes[0].labels, kPodNamespaceLabel), Value(sandboxes[0].labels, kPodNameLabel));
    model_.workload.set_name(model_.record.name());
    model_.workload.set_namespace_(model_.record.namespace_());
  }
  if (!workload_loaded_ && !sandboxes.empty()) {
    const std::string grace = Value(sandboxes[0].annotations, kGraceAnnotation);
    if (!grace.empty())
      model_.workload.set_termination_grace_seconds(std::strtoll(grace.c_str(), nullptr, 10));
  }
  // A new list asks anew.
  if (adopting_ == 0) unanswered_ = false;
  ++adopting_;
  AdoptSandboxes(sandboxes, since);

  std::map<std::string, std::vector<const Container*>> by_name;
  for (const auto& container : containers) by_name[ContainerNameOf(container)].push_back(&container);
  const auto inspect = [this](const std::string& name, const Container& container) {
    ++adopting_;
    Inspect(name, container.id, [this, name, container](bool answered) {
      --adopting_;
      if (answered)
        unanswered_since_.erase(container.id);
      else
        OnUnanswered(name, container);
      EndAdoption();
    });
  };
  for (auto& [name, listed] : by_name) {
    ContainerModel& model = model_.containers[name];
    const auto touched = touched_.find(name);
    if (model.busy() || (touched != touched_.end() && touched->second >= since)) {
      const auto unknown = [&](const Container* container) {
        return container->id != model.id && stale_.count(container->id) == 0 &&
               container->phase != ContainerPhase::kExited;
      };
      if (std::any_of(listed.begin(), listed.end(), unknown)) shared_.relist();
      continue;
    }
    std::sort(listed.begin(), listed.end(), [](const Container* a, const Container* b) {
      if (a->attempt != b->attempt) return a->attempt > b->attempt;
      return a->created_at > b->created_at;
    });
    // One that was only created tells nothing of how the attempt before it ended.
    bool told = false;
    for (const Container* container : listed) {
      if (container->id == model.id) {
        // One that is unknown was to be stopped, and was not.
        if (container->phase != model.phase || container->phase == ContainerPhase::kUnknown)
          inspect(name, *container);
      } else if (!told) {
        inspect(name, *container);
      } else if (container->phase == ContainerPhase::kExited) {
        // A former attempt; what it told is in the record or lost.
        garbage_.push_back(container->id);
      } else {
        RemoveStale(name, container->id);
      }
      told = told || container->phase != ContainerPhase::kCreated;
    }
  }
  const v1::PodRecord before = model_.record;
  for (const auto& record : before.containers()) {
    const ContainerModel& model = model_.containers[record.name()];
    const auto touched = touched_.find(record.name());
    if (model.busy() || (touched != touched_.end() && touched->second >= since)) continue;
    if (by_name.count(record.name()) != 0) continue;
    probes_.erase(record.name());
    unsettled_.erase(record.name());
    MarkLost(model_, record.name(), Now(), Wall());
  }
  --adopting_;
  EndAdoption();
}

bool PodWorker::AskedForLong(const std::string& id) {
  return Now() >= unanswered_since_.try_emplace(id, Now()).first->second + kPatience;
}

void PodWorker::OnUnanswered(const std::string& name, Container listed) {
  const bool long_asked = AskedForLong(listed.id);
  const bool known = model_.containers[name].id == listed.id;
  const v1::ContainerRecord* record = FindRecord(model_.record, name);
  const bool over = record != nullptr && record->state().has_terminated() &&
                    record->last_attempt() == static_cast<std::int32_t>(listed.attempt);
  // The list tells all that matters of one that runs, and the record of one that is over. How another one
  // ended is worth some patience.
  const bool enough =
      !adopted_ && !known &&
      (listed.phase == ContainerPhase::kRunning || (listed.phase == ContainerPhase::kExited && over));
  if (!enough && !long_asked) {
    unanswered_ = unanswered_ || !known;
    shared_.relist();
    return;
  }
  unanswered_since_.erase(listed.id);
  LogWarning("the runtime does not tell of a container: its list is believed",
             {{"uid", uid_}, {"container", name}});
  // To the moment: it is started when it has been made.
  listed.started_at = listed.created_at;
  if (listed.phase == ContainerPhase::kExited) {
    listed.exit_code = kUnknownExitCode;
    listed.reason = "ContainerStatusUnknown";
    listed.message = "The container runtime does not tell how the container ended";
  }
  TakeIn(name, listed);
}

void PodWorker::EndAdoption() {
  if (adopting_ > 0) return;
  if (!adopted_ && unanswered_) {
    // What is not known may run: a second one would be started beside it. A new list is on its way.
    return;
  }
  adopted_ = true;
  Kick();
}

void PodWorker::AdoptSandboxes(const std::vector<Sandbox>& sandboxes, MonotonicTime since) {
  SandboxModel& model = model_.sandbox;
  const auto touched = touched_.find("sandbox");
  const auto leaves = [this](const Sandbox& sandbox) {
    return stale_sandboxes_.count(sandbox.id) != 0 ||
           std::find(garbage_sandboxes_.begin(), garbage_sandboxes_.end(), sandbox.id) !=
               garbage_sandboxes_.end();
  };
  if (model.busy || (touched != touched_.end() && touched->second >= since)) {
    // This list may be older than what is done meanwhile; one that a call made and did not tell of is in the
    // next one too.
    const auto unknown = [&](const Sandbox& sandbox) { return sandbox.id != model.id && !leaves(sandbox); };
    if (model.unknown || std::any_of(sandboxes.begin(), sandboxes.end(), unknown)) shared_.relist();
    return;
  }
  model.unknown = false;
  const Sandbox* best = nullptr;
  for (const auto& sandbox : sandboxes) {
    model_.record.set_sandbox_attempt(std::max(model_.record.sandbox_attempt(), sandbox.attempt + 1));
    if (leaves(sandbox)) continue;
    const auto rank = [&](const Sandbox& s) { return std::make_tuple(s.id == model.id, s.ready, s.attempt); };
    if (best == nullptr || rank(sandbox) > rank(*best)) best = &sandbox;
  }
  for (const auto& sandbox : sandboxes) {
    if (best != nullptr && sandbox.id != best->id && stale_sandboxes_.count(sandbox.id) == 0) {
      garbage_sandboxes_.push_back(sandbox.id);
    }
  }
  if (best == nullptr) {
    if (model.exists()) {
      model = {};
      model_.initialized = false;
    }
    return;
  }
  const bool known = model.id == best->id;
  model.id = best->id;
  model.attempt = best->attempt;
  model.ready = best->ready;
  if (known) return;
  model.address_known = model_.workload.host_network();
  // App containers that exist in it prove that initialization was over; a plan finds out otherwise.
  model_.initialized = std::any_of(model_.record.containers().begin(), model_.record.containers().end(),
                                   [&](const v1::ContainerRecord& record) {
                                     return best->ready && !record.init() && record.last_attempt() >= 0;
                                   });
  if (model.ready && !model.address_known) {
    ++adopting_;
    const std::string id = model.id;
    shared_.dependencies.runtime.GetSandbox(
        id, lifetime_.Guard([this, id](const absl::StatusOr<SandboxStatus>& status) {
          --adopting_;
          if (model_.sandbox.id == id && status.ok()) {
            model_.sandbox.ips = status->ips;
            model_.sandbox.ready = status->sandbox.ready;
            model_.sandbox.address_known = true;
          } else if (model_.sandbox.id == id) {
            AskSandboxAddress();
          }
          EndAdoption();
        }));
  }
}

bool PodWorker::Owns(const std::string& id) const {
  if (model_.sandbox.id == id && !id.empty()) return true;
  return std::any_of(model_.containers.begin(), model_.containers.end(),
                     [&](const auto& entry) { return entry.second.id == id; });
}

void PodWorker::OnWakeUp(const std::string& id) {
  if (removing_ || gone_) return;
  if (model_.sandbox.id == id) {
    if (model_.sandbox.busy) return;
    shared_.dependencies.runtime.GetSandbox(
        id, lifetime_.Guard([this, id](const absl::StatusOr<SandboxStatus>& status) {
          if (model_.sandbox.id != id || model_.sandbox.busy) return;
          if (!status.ok() && !absl::IsNotFound(status.status())) return;
          model_.sandbox.ready = status.ok() && status->sandbox.ready;
          Kick();
        }));
    return;
  }
  for (const auto& [name, container] : model_.containers) {
    if (container.id == id && container.phase != ContainerPhase::kExited) {
      Inspect(name, id);
      return;
    }
  }
}

void PodWorker::Inspect(const std::string& name, const std::string& id, std::function<void(bool)> done) {
  const auto [it, fresh] = inspections_.try_emplace(id);
  if (done) it->second.done.push_back(std::move(done));
  if (!fresh) {
    // The answer under way may be older than what happened since.
    it->second.again = true;
    return;
  }
  shared_.dependencies.runtime.GetContainer(
      id, lifetime_.Guard([this, name, id](const absl::StatusOr<Container>& answer) {
        auto node = inspections_.extract(id);
        Inspection inspection = std::move(node.mapped());
        if (inspection.again) {
          // Callers get the newest answer.
          for (auto& waiting : inspection.done) Inspect(name, id, std::move(waiting));
          if (inspection.done.empty()) Inspect(name, id);
          inspections_[id].again = false;
          return;
        }
        const bool known = answer.ok() || absl::IsNotFound(answer.status());
        if (answer.ok()) {
          TakeIn(name, *answer);
        } else if (known && model_.containers[name].id == id) {
          probes_.erase(name);
          unsettled_.erase(name);
          MarkLost(model_, name, Now(), Wall());
          touched_[name] = Now();
        } else if (!known) {
          // Whatever kept it from answering: the next list shows what has to be asked again.
          shared_.relist();
        }
        for (const auto& waiting : inspection.done) waiting(known);
        Kick();
      }));
}

void PodWorker::TakeIn(const std::string& name, const Container& listed) {
  Container container = listed;
  container.name = name;
  ContainerModel& model = model_.containers[name];
  const bool starting = model.operation == ContainerModel::Operation::kStarting && model.id == container.id;
  // Settle decides about one that is being started.
  if (starting && container.phase == ContainerPhase::kCreated) return;
  const bool ran = model.running() && model.id == container.id;
  const bool was_unknown = ran && model.phase == ContainerPhase::kUnknown;
  std::string message;
  if (container.phase == ContainerPhase::kExited) message = ToUtf8(TerminationMessage(container));
  if (Observe(model_, container, message, Now(), Wall()) == Observation::kStale) {
    if (container.phase == ContainerPhase::kExited) {
      garbage_.push_back(container.id);
    } else {
      RemoveStale(name, container.id);
    }
    return;
  }
  touched_[name] = Now();
  if (container.phase == ContainerPhase::kExited) {
    probes_.erase(name);
    unsettled_.erase(name);
    const v1::ContainerRecord* record = FindRecord(model_.record, name);
    if (ran || starting) {
      LogInfo("container exited", {{"uid", uid_},
                                   {"container", name},
                                   {"code", record->state().terminated().exit_code()},
                                   {"reason", record->state().terminated().reason()}});
    }
    return;
  }
  if (container.phase == ContainerPhase::kUnknown) {
    // Its checks end with it: they would be held against the one that comes after it.
    probes_.erase(name);
    unsettled_.erase(name);
    EndUnknown(name, container.id);
    return;
  }
  if (!starting && (!ran || was_unknown)) OnRunning(name, true);
}

void PodWorker::EndUnknown(const std::string& name, const std::string& id) {
  // The runtime lost track of it: end it for certain.
  model_.containers[name].operation = ContainerModel::Operation::kStopping;
  shared_.dependencies.runtime.StopContainer(
      id, Duration::zero(), lifetime_.Guard([this, name, id](const absl::Status& status) {
        ContainerModel& lost = model_.containers[name];
        if (lost.id != id || lost.operation != ContainerModel::Operation::kStopping) return;
        if (status.ok() && lost.phase == ContainerPhase::kUnknown) {
          MarkLost(model_, name, Now(), Wall());
          RemoveStale(name, id);
        } else {
          lost.operation = ContainerModel::Operation::kNone;
          shared_.relist();
        }
        Kick();
      }));
}

std::string PodWorker::TerminationMessage(const Container& container) {
  std::string message = volumes_.ReadTerminationLog(container.name, container.attempt);
  const v1::Container* spec = SpecOf(container.name);
  if (!message.empty() || spec == nullptr || !spec->termination_message_fallback_to_logs()) return message;
  if (container.exit_code == 0) return message;
  const std::string directory =
      PodLogDirectory(shared_.options, model_.record.namespace_(), model_.record.name(), uid_.value());
  return LogTail(shared_.dependencies.files,
                 directory + "/" + container.name + "/" + std::to_string(container.attempt) + ".log",
                 shared_.options.log_max_bytes * 2);
}

absl::StatusOr<PodSupervisor::ContainerLocation> PodWorker::Locate(const std::string& name) const {
  const v1::ContainerRecord* record = FindRecord(model_.record, name);
  const ContainerModel* model = model_.Find(name);
  if (record == nullptr && SpecOf(name) == nullptr) {
    return absl::NotFoundError("pod " + model_.record.name() + " has no container " + name);
  }
  PodSupervisor::ContainerLocation location;
  location.sandbox_id = model_.sandbox.id;
  if (model != nullptr) {
    location.container_id = model->id;
    location.running = model->running();
  }
  if (record == nullptr) return location;
  const std::string directory =
      PodLogDirectory(shared_.options, model_.record.namespace_(), model_.record.name(), uid_.value()) + "/" +
      name;
  location.logs = LogFiles(shared_.dependencies.files, directory, record->last_attempt());
  for (std::int32_t attempt = record->last_attempt() - 1; attempt >= 0 && location.previous_logs.empty();
       --attempt) {
    location.previous_logs = LogFiles(shared_.dependencies.files, directory, attempt);
  }
  return location;
}

void PodWorker::RotateLogs() {
  const std::string directory =
      PodLogDirectory(shared_.options, model_.record.namespace_(), model_.record.name(), uid_.value());
  for (const auto& [name, container] : model_.containers) {
    const v1::ContainerRecord* record = FindRecord(model_.record, name);
    if (!container.running() || container.busy() || record == nullptr) continue;
    std::string container_directory = directory;
    container_directory.append("/").append(name);
    const bool rotated = RotateLog(shared_.dependencies.files, container_directory, record->last_attempt(),
                                   shared_.options.log_max_bytes, shared_.options.log_max_files, Wall());
    if (!rotated) continue;
    shared_.dependencies.runtime.ReopenLog(
        container.id, [uid = uid_, name = name](const absl::Status& status) {
          if (!status.ok()) {
            LogWarning("log not reopened", {{"uid", uid}, {"container", name}, {"error", Describe(status)}});
          }
        });
  }
}

}  // namespace slicelet::agent
