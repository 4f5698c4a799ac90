// How a pod's parts are stopped and removed.
#include <algorithm>

#include "common/log/log.h"
#include "edge-agent/pod/container_config.h"
#include "edge-agent/pod/pod_record.h"
#include "edge-agent/pod/pod_worker.h"

namespace slicelet::agent {
namespace {

constexpr Duration kRetry = std::chrono::seconds(1);
constexpr Duration kNextFiles = std::chrono::milliseconds(10);

}  // namespace

void PodWorker::StopContainer(const PodPlan::Stop& stop) {
  ContainerModel& model = model_.containers[stop.container];
  const std::string id = model.id;
  const MonotonicTime deadline = Now() + stop.grace;
  const std::string& name = stop.container;
  if (model.operation == ContainerModel::Operation::kStopping) {
    // A shorter grace: the first call is still waiting and tells the end.
    model.stop_deadline = deadline;
    shared_.dependencies.runtime.StopContainer(id, stop.grace, [](const absl::Status&) {});
    return;
  }
  LogInfo("container stops", {{"uid", uid_}, {"container", name}, {"why", stop.message}});
  Event(false, "Killing", stop.message, name);
  model.operation = ContainerModel::Operation::kStopping;
  model.stop_deadline = deadline;
  probes_.erase(name);
  unsettled_.erase(name);
  const v1::Container* container = SpecOf(name);
  const v1::ContainerRecord* record = FindRecord(model_.record, name);
  if (container != nullptr && record != nullptr && record->image() != container->image() && !model_.stop) {
    model.restart_anyway = true;
  }
  if (!stop.pre_stop || container == nullptr || !container->has_pre_stop()) {
    StopNow(name, id);
    return;
  }
  // The hook's time counts against the grace.
  const CheckHost host = FindCheckHost(shared_.options.host_ip).value_or(CheckHost{});
  RunHandler(shared_.dependencies.loop, shared_.dependencies.runtime, shared_.dependencies.prober,
             container->pre_stop(), id, host.address, stop.grace,
             lifetime_.Guard([this, name, id](const absl::Status& status) {
               ContainerModel& hooked = model_.containers[name];
               if (hooked.id != id || hooked.operation != ContainerModel::Operation::kStopping) return;
               if (!status.ok()) {
                 Event(true, "FailedPreStopHook", "PreStopHook failed: " + Message(status), name);
               }
               StopNow(name, id);
             }));
}

void PodWorker::StopNow(const std::string& name, const std::string& id) {
  ContainerModel& model = model_.containers[name];
  const bool forced = model_.stop && model_.stop->forced;
  const Duration grace =
      forced ? Duration::zero() : std::max<Duration>(model.stop_deadline - Now(), kMinimumGrace);
  shared_.dependencies.runtime.StopContainer(
      id, grace, lifetime_.Guard([this, name, id](const absl::Status& status) {
        const auto still = [this, name, id] {
          const ContainerModel& stopping = model_.containers[name];
          return stopping.id == id && stopping.operation == ContainerModel::Operation::kStopping;
        };
        if (!still()) return;  // Its exit was seen before.
        touched_[name] = Now();
        if (!status.ok()) {
          LogWarning("container does not stop",
                     {{"uid", uid_}, {"container", name}, {"error", Describe(status)}});
        }
        Inspect(name, id, [this, name, id, still, stopped = status.ok()](bool answered) {
          if (!still()) return;
          if (answered) {
            unanswered_since_.erase(id);
          } else if (stopped && AskedForLong(id)) {
            // It has stopped, and how is not told. A pod that is to go would wait for it for ever.
            MarkLost(model_, name, Now(), Wall());
            RemoveStale(name, id);
            return;
          }
          shared_.dependencies.loop.RunAfter(kRetry, lifetime_.Guard([this, name, id, still] {
            if (still()) StopNow(name, id);
          }));
        });
      }));
}

void PodWorker::StopSandbox() {
  const std::string id = model_.sandbox.id;
  const bool dead = !model_.sandbox.ready;
  model_.sandbox.busy = true;
  if (dead && published_) {
    Event(false, "SandboxChanged", "Pod sandbox changed, it will be killed and re-created.");
  }
  shared_.dependencies.runtime.StopSandbox(id, lifetime_.Guard([this, id, dead](const absl::Status& status) {
    touched_["sandbox"] = Now();
    if (!status.ok()) {
      Event(true, "FailedKillPod", "error killing pod: " + Message(status));
      shared_.dependencies.loop.RunAfter(kRetry, lifetime_.Guard([this] {
        model_.sandbox.busy = false;
        Kick();
      }));
      return;
    }
    // What ran in it has ended with it: learn how before it is removed.
    auto left = std::make_shared<int>(1);
    const auto finish = [this, id, dead, left] {
      if (--*left > 0) return;
      model_.sandbox.busy = false;
      model_.sandbox.ready = false;
      if (dead) {
        garbage_sandboxes_.push_back(id);
        model_.sandbox.id.clear();
        model_.sandbox.ips.clear();
        model_.sandbox.address_known = false;
        model_.initialized = false;
        for (auto& [name, container] : model_.containers) {
          if (container.sandbox_id == id && !container.running()) container.id.clear();
        }
      }
      Kick();
    };
    std::vector<std::pair<std::string, std::string>> running;
    for (const auto& [name, container] : model_.containers) {
      if (container.sandbox_id == id && container.running()) running.emplace_back(name, container.id);
    }
    for (const auto& [name, container_id] : running) {
      ++*left;
      probes_.erase(name);
      unsettled_.erase(name);
      Inspect(name, container_id, [this, name = name, finish](bool) {
        // The sandbox is stopped: whatever the runtime says, it does not run.
        if (model_.containers[name].running()) MarkLost(model_, name, Now(), Wall());
        finish();
      });
    }
    finish();
  }));
}

// ---- Removal

void PodWorker::RemoveEverything() {
  if (removing_) return;
  removing_ = true;
  std::set<std::string> sandboxes = stale_sandboxes_;
  sandboxes.insert(garbage_sandboxes_.begin(), garbage_sandboxes_.end());
  if (model_.sandbox.exists()) sandboxes.insert(model_.sandbox.id);
  // A sandbox takes its containers along.
  struct Progress {
    int left = 1;
    bool failed = false;
  };
  auto progress = std::make_shared<Progress>();
  const auto one_done = [this, progress](const absl::Status& status) {
    if (!status.ok()) {
      LogWarning("pod is not removed yet", {{"uid", uid_}, {"error", Describe(status)}});
      progress->failed = true;
    }
    if (--progress->left > 0) return;
    if (progress->failed) {
      shared_.dependencies.loop.RunAfter(kRetry, lifetime_.Guard([this] {
        removing_ = false;
        Kick();
      }));
      return;
    }
    FinishRemoval();
  };
  for (const auto& id : sandboxes) {
    ++progress->left;
    shared_.dependencies.runtime.StopSandbox(
        id, lifetime_.Guard([this, id, one_done](const absl::Status& stopped) {
          if (!stopped.ok()) {
            one_done(stopped);
            return;
          }
          shared_.dependencies.runtime.RemoveSandbox(id, lifetime_.Guard(one_done));
        }));
  }
  one_done(absl::OkStatus());
}

void PodWorker::FinishRemoval() {
  const absl::StatusOr<bool> removed = volumes_.Remove();
  if (removed.ok() && !*removed) {
    // Thousands of files on a slow card hold up no other pod, and no watchdog. Its record stays until they
    // are gone: whoever comes after a crash goes on.
    shared_.dependencies.loop.RunAfter(kNextFiles, lifetime_.Guard([this] { FinishRemoval(); }));
    return;
  }
  absl::Status status = removed.status();
  const std::string logs =
      PodLogDirectory(shared_.options, model_.record.namespace_(), model_.record.name(), uid_.value());
  if (status.ok() && !model_.record.name().empty()) status = shared_.dependencies.files.RemoveAll(logs);
  if (!status.ok()) {
    LogWarning("pod is not removed yet", {{"uid", uid_}, {"error", Describe(status)}});
    shared_.dependencies.loop.RunAfter(kRetry, lifetime_.Guard([this] { FinishRemoval(); }));
    return;
  }
  LogInfo("pod removed", {{"uid", uid_}, {"pod", model_.record.namespace_() + "/" + model_.record.name()}});
  model_.sandbox = {};
  for (auto& [name, container] : model_.containers) container.id.clear();
  wake_.Cancel();
  retry_commit_.Cancel();
  AgentStore::Batch batch;
  batch.records[uid_] = std::nullopt;
  batch.drop_credentials.push_back(uid_);
  // Nothing depends on its durability: after a crash the removal is found done.
  shared_.dependencies.store.Commit(std::move(batch), [](const absl::Status&) {});
  gone_ = true;
  v1::WorkloadStatus status_message = published_ ? *published_ : v1::WorkloadStatus();
  status_message.set_uid(uid_.value());
  status_message.set_gone(true);
  status_message.set_observed_at(Wall());
  if (model_.record.has_terminal_phase()) status_message.set_phase(model_.record.terminal_phase());
  Show(std::move(status_message), true);
}

void PodWorker::CollectGarbage() {
  std::vector<std::string> containers;
  containers.swap(garbage_);
  for (const auto& id : containers) {
    shared_.dependencies.runtime.RemoveContainer(id, [](const absl::Status&) {});
  }
  std::vector<std::string> sandboxes;
  sandboxes.swap(garbage_sandboxes_);
  for (const auto& id : sandboxes) RemoveStaleSandbox(id);
}

void PodWorker::RemoveStale(const std::string& name, const std::string& id) {
  if (!stale_.insert(id).second) return;
  ++model_.containers[name].stale;
  shared_.dependencies.runtime.RemoveContainer(
      id, lifetime_.Guard([this, name, id](const absl::Status& status) {
        const auto done = [this, name, id] {
          stale_.erase(id);
          --model_.containers[name].stale;
          touched_[name] = Now();
        };
        if (status.ok()) {
          done();
          Kick();
          return;
        }
        shared_.dependencies.loop.RunAfter(kRetry, lifetime_.Guard([this, name, id, done] {
          done();
          RemoveStale(name, id);
        }));
      }));
}

void PodWorker::RemoveStaleSandbox(const std::string& id) {
  if (!stale_sandboxes_.insert(id).second) return;
  const auto retry = [this, id] {
    shared_.dependencies.loop.RunAfter(kRetry, lifetime_.Guard([this, id] {
      if (stale_sandboxes_.erase(id) > 0) RemoveStaleSandbox(id);
    }));
  };
  shared_.dependencies.runtime.StopSandbox(
      id, lifetime_.Guard([this, id, retry](const absl::Status& stopped) {
        if (!stopped.ok()) {
          retry();
          return;
        }
        shared_.dependencies.runtime.RemoveSandbox(
            id, lifetime_.Guard([this, id, retry](const absl::Status& removed) {
              if (!removed.ok()) {
                retry();
                return;
              }
              stale_sandboxes_.erase(id);
              Kick();
            }));
      }));
}

}  // namespace slicelet::agent
