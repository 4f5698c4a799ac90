#include "edge-agent/pod/pod_plan.h"

#include <algorithm>
#ifdef SLICELET_PLANTS
#include "tests/sim/plants.h"
#endif

namespace slicelet::agent {

using std::chrono::seconds;

const v1::ContainerRecord* FindRecord(const v1::PodRecord& record, const std::string& name) {
  for (const auto& container : record.containers()) {
    if (container.name() == name) return &container;
  }
  return nullptr;
}

v1::ContainerRecord& RecordOf(v1::PodRecord& record, const std::string& name, bool init) {
  for (auto& container : *record.mutable_containers()) {
    if (container.name() == name) return container;
  }
  v1::ContainerRecord& container = *record.add_containers();
  container.set_name(name);
  container.set_init(init);
  container.set_last_attempt(-1);
  return container;
}

Duration RestartBackoff(int step) {
  if (step <= 0) return Duration::zero();
  Duration delay = seconds(10);
  for (int i = 1; i < step && delay < seconds(300); ++i) delay *= 2;
  return std::min<Duration>(delay, seconds(300));
}

namespace {

/// A runtime notes the start of a container after it has started, when one that ends at once may be over: by
/// milliseconds, or as long as a busy host keeps the runtime waiting.
constexpr Duration kStartNotedLate = std::chrono::minutes(1);

class Planner {
 public:
  Planner(const PodModel& pod, MonotonicTime now) : pod_(pod), now_(now) {}

  PodPlan Plan() {
    if (pod_.refused && !pod_.stop && !AnythingRuns()) return plan_;
    if (std::optional<PodPlan::Terminal> end = End()) {
      WindDown(*end);
    } else {
      Run();
    }
    return plan_;
  }

 private:
  [[nodiscard]] const v1::ContainerState::Terminated* Terminated(const std::string& name) const {
    const v1::ContainerRecord* record = FindRecord(pod_.record, name);
    return record != nullptr && record->state().has_terminated() ? &record->state().terminated() : nullptr;
  }

  [[nodiscard]] bool AnythingRuns() const {
    return std::any_of(pod_.containers.begin(), pod_.containers.end(),
                       [](const auto& entry) { return entry.second.running() || entry.second.busy(); });
  }

  [[nodiscard]] bool InitDone(const v1::Container& container) const {
    const v1::ContainerRecord* record = FindRecord(pod_.record, container.name());
    return record != nullptr && record->init_done();
  }

  /// By the restart policy, for a container that finished.
  [[nodiscard]] bool MayRestart(const v1::Container& container, bool init) const {
    const ContainerModel* model = pod_.Find(container.name());
    if (model != nullptr && model->restart_anyway) return true;
    const v1::ContainerState::Terminated* terminated = Terminated(container.name());
    if (terminated == nullptr || container.sidecar()) return true;
    switch (pod_.workload.restart_policy()) {
      case v1::RESTART_POLICY_ON_FAILURE:
        return terminated->exit_code() != 0;
      case v1::RESTART_POLICY_NEVER:
        return false;
      default:
        // An init container that succeeded is done whatever the policy.
        return !init || terminated->exit_code() != 0;
    }
  }

  [[nodiscard]] bool FinishedForGood(const v1::Container& container, bool init) const {
    const ContainerModel* model = pod_.Find(container.name());
    if (model != nullptr && (model->running() || model->operation == ContainerModel::Operation::kStarting)) {
      return false;
    }
    return Terminated(container.name()) != nullptr && !MayRestart(container, init);
  }

  // ---- Start order (slicelet.io/depends-on)

  [[nodiscard]] const v1::Container* SpecOf(const std::string& name, bool& init) const {
    for (const auto& container : pod_.workload.containers()) {
      init = false;
      if (container.name() == name) return &container;
    }
    for (const auto& container : pod_.workload.init_containers()) {
      init = true;
      if (container.name() == name) return &container;
    }
    return nullptr;
  }

  enum class Dependency { kMet, kNotMet, kNever };

  /// Ready, or finished with 0 for good. A name that the pod does not have holds nothing up.
  [[nodiscard]] Dependency Check(const std::string& name, int depth = 0) const {
    bool init = false;
    const v1::Container* container = SpecOf(name, init);
    if (container == nullptr) return Dependency::kMet;
    if (init && !container->sidecar()) return InitDone(*container) ? Dependency::kMet : Dependency::kNotMet;
    const ContainerModel* model = pod_.Find(name);
    if (model != nullptr && model->fully_started() && model->ready_probe_passed) return Dependency::kMet;
    if (FinishedForGood(*container, init)) {
      return Terminated(name)->exit_code() == 0 ? Dependency::kMet : Dependency::kNever;
    }
    return StartsNever(*container, depth + 1) ? Dependency::kNever : Dependency::kNotMet;
  }

  /// It does not run, and what it depends on has ended for good without success.
  [[nodiscard]] bool StartsNever(const v1::Container& container, int depth = 0) const {
    const ContainerModel* model = pod_.Find(container.name());
    if (model != nullptr && (model->running() || model->busy())) return false;
    // The hub refuses circles; in one that came all the same everybody waits.
    if (depth > pod_.workload.containers_size() + pod_.workload.init_containers_size()) return false;
    return std::any_of(container.depends_on().begin(), container.depends_on().end(),
                       [&](const std::string& name) { return Check(name, depth) == Dependency::kNever; });
  }

  /// What the container's start waits for; nullopt when nothing holds it up.
  [[nodiscard]] std::optional<PodPlan::Waiting> HeldUp(const v1::Container& container) const {
    std::string names;
    for (const std::string& name : container.depends_on()) {
      if (Check(name) == Dependency::kMet) continue;
      const ContainerModel* model = pod_.Find(name);
      names += (names.empty() ? "" : ", ") + name +
               (model != nullptr && model->running() ? " (not ready)" : " (not running)");
    }
    if (names.empty()) return std::nullopt;
    return PodPlan::Waiting{kDependencyNotReady, "waits for " + names + " (slicelet.io/depends-on)"};
  }

  /// Why the pod ends, if it does.
  [[nodiscard]] std::optional<PodPlan::Terminal> End() const {
    if (pod_.record.has_terminal_phase()) {
      return PodPlan::Terminal{pod_.record.terminal_phase(), pod_.record.terminal_reason(),
                               pod_.record.terminal_message()};
    }
    if (pod_.refused)
      return PodPlan::Terminal{v1::PHASE_FAILED, pod_.refused->reason(), pod_.refused->message()};
    if (pod_.active_deadline && now_ >= *pod_.active_deadline) {
      return PodPlan::Terminal{v1::PHASE_FAILED, "DeadlineExceeded",
                               "Pod was active on the node longer than the specified deadline"};
    }
    for (const auto& container : pod_.workload.init_containers()) {
      if (!container.sidecar() && !InitDone(container) && FinishedForGood(container, true)) {
        return PodPlan::Terminal{v1::PHASE_FAILED, "", ""};
      }
    }
    bool all_done = !pod_.workload.containers().empty();
    bool all_succeeded = true;
    for (const auto& container : pod_.workload.containers()) {
      all_done = all_done && (FinishedForGood(container, false) || StartsNever(container));
      const v1::ContainerState::Terminated* terminated = Terminated(container.name());
      all_succeeded = all_succeeded && terminated != nullptr && terminated->exit_code() == 0;
    }
    if (all_done || pod_.stop) {
      return PodPlan::Terminal{
          all_succeeded && !pod_.workload.containers().empty() ? v1::PHASE_SUCCEEDED : v1::PHASE_FAILED, "",
          ""};
    }
    return std::nullopt;
  }

  // ---- Ending

  [[nodiscard]] Duration GraceLeft() const {
    if (!pod_.stop)
      return std::max<Duration>(seconds(pod_.workload.termination_grace_seconds()), kMinimumGrace);
    if (pod_.stop->forced) return Duration::zero();
    return std::max<Duration>(pod_.stop->deadline - now_, kMinimumGrace);
  }

  void StopOne(const std::string& name, const ContainerModel& container, const std::string& message) {
    if (!container.running()) return;
    const Duration grace = GraceLeft();
    // Only a shorter grace is worth another call; a little less is the clock, not the user.
    if (container.operation == ContainerModel::Operation::kStopping &&
        now_ + grace + seconds(1) >= container.stop_deadline)
      return;
    plan_.stops.push_back({name, grace, message, !(pod_.stop && pod_.stop->forced)});
  }

  void WindDown(const PodPlan::Terminal& end) {
    const std::string why = "Stopping container ";
    bool others_run = false;
    std::vector<std::string> sidecars;
    for (const auto& container : pod_.workload.init_containers()) {
      if (container.sidecar()) sidecars.push_back(container.name());
    }
    for (const auto& [name, container] : pod_.containers) {
      if (std::find(sidecars.begin(), sidecars.end(), name) != sidecars.end()) continue;
      others_run = others_run || container.running() || container.busy();
      StopOne(name, container, why + name);
    }
    // Sidecars end last, in reverse order, one after the other (KEP-753); in a forced stop all at once.
    for (auto it = sidecars.rbegin(); it != sidecars.rend(); ++it) {
      const ContainerModel* container = pod_.Find(*it);
      if (container == nullptr || (!container->running() && !container->busy())) continue;
      if (!others_run || (pod_.stop && pod_.stop->forced)) StopOne(*it, *container, why + *it);
      others_run = true;
    }
    if (others_run || AnythingRuns() || pod_.sandbox.busy) return;
    if (!pod_.record.has_terminal_phase()) {
      plan_.terminal = end;
      return;
    }
    if (pod_.stop) {
      // It is gone when there is no sandbox that nobody knows.
      plan_.remove = !pod_.sandbox.unknown;
      return;
    }
    if (pod_.sandbox.exists() && pod_.sandbox.ready) plan_.stop_sandbox = true;
  }

  // ---- Running

  void Run() {
    if (pod_.active_deadline) Wake(*pod_.active_deadline);
    if (pod_.volumes == PodModel::Volumes::kNone) {
      if (Passed(pod_.volumes_setback)) plan_.prepare_volumes = true;
    }
    RunSandbox();
    const bool init_done = RunInitContainers();
    if (init_done && !pod_.initialized) plan_.initialized = true;
    for (const auto& container : pod_.workload.containers()) {
      if (init_done || pod_.initialized) {
        RunContainer(container, false);
      } else {
        plan_.waiting[container.name()] = {"PodInitializing", ""};
        // One that runs in spite of a restarted init container is left alone.
      }
    }
  }

  void RunSandbox() {
    const SandboxModel& sandbox = pod_.sandbox;
    if (sandbox.busy || sandbox.unknown) return;
    if (!sandbox.exists()) {
      if (Passed(sandbox.setback)) plan_.run_sandbox = true;
    } else if (!sandbox.ready && !AnythingBusy()) {
      plan_.stop_sandbox = true;
    }
  }

  [[nodiscard]] bool AnythingBusy() const {
    return std::any_of(pod_.containers.begin(), pod_.containers.end(),
                       [](const auto& entry) { return entry.second.busy(); });
  }

  /// True when every init container is done and every sidecar has started.
  bool RunInitContainers() {
    bool all = true;
    for (const auto& container : pod_.workload.init_containers()) {
      if (!all && !pod_.initialized) {
        plan_.waiting[container.name()] = {"PodInitializing", ""};
        continue;
      }
      if (container.sidecar()) {
        RunContainer(container, true);
        const ContainerModel* model = pod_.Find(container.name());
        all = all && model != nullptr && model->fully_started();
        continue;
      }
      if (InitDone(container)) continue;
      RunContainer(container, true);
      all = false;
    }
    return all;
  }

  void RunContainer(const v1::Container& container, bool init) {
    const std::string& name = container.name();
    static const ContainerModel kNew;
    const ContainerModel* found = pod_.Find(name);
    const ContainerModel& model = found != nullptr ? *found : kNew;
    if (model.busy()) {
      if (!model.running()) plan_.waiting[name] = Default(init);
      return;
    }
    if (model.running()) {
      KeepRunning(container, model, init);
      return;
    }
    if (Terminated(name) != nullptr && !MayRestart(container, init)) return;
    StartOne(container, model, init);
  }

  /// Only another image, a failed probe or a failed hook stops a container of a pod that goes on.
  void KeepRunning(const v1::Container& container, const ContainerModel& model, bool init) {
    if (model.kill_message) {
      const Duration grace =
          std::max<Duration>(seconds(pod_.workload.termination_grace_seconds()), kMinimumGrace);
      plan_.stops.push_back({container.name(), grace, *model.kill_message, true});
      return;
    }
    const v1::ContainerRecord* record = FindRecord(pod_.record, container.name());
    if (record == nullptr || record->image() == container.image() || (init && !container.sidecar())) return;
    // Pull first: the old one serves until the new image is there.
    if (!ImageReady(container, model)) return;
    // Its successor would have to wait for them.
    if (pod_.volumes != PodModel::Volumes::kReady) return;
#ifdef SLICELET_PLANTS
    if (sim::Planted(sim::Plant::kStartBesideRunning)) return plan_.starts.push_back(container.name());
#endif
    const Duration grace =
        std::max<Duration>(seconds(pod_.workload.termination_grace_seconds()), kMinimumGrace);
    plan_.stops.push_back({container.name(), grace,
                           "Container " + container.name() + " definition changed, will be restarted", true});
  }

  /// True when the image is on the host; else it is being seen to.
  bool ImageReady(const v1::Container& container, const ContainerModel& model) {
    if (model.image.ready && model.image.name == container.image()) return true;
    if (model.image.busy) return false;
    const bool same = model.image.name == container.image();
    if (!same || Passed(model.image.setback)) {
      plan_.images.push_back(container.name());
    } else if (!model.running()) {
      plan_.waiting[container.name()] = {model.image.setback->reason, model.image.setback->message};
    }
    return false;
  }

  void StartOne(const v1::Container& container, const ContainerModel& model, bool init) {
    const std::string& name = container.name();
    plan_.waiting.emplace(name, Default(init));
    if (const v1::ContainerState::Terminated* terminated = Terminated(name)) {
      const v1::ContainerRecord& record = *FindRecord(pod_.record, name);
      const bool fresh_image = record.image() != container.image() || model.restart_anyway;
      const Duration delay =
          fresh_image ? Duration::zero() : RestartBackoff(EffectiveStep(record, *terminated));
      if (now_ < model.finished + delay) {
        Wake(model.finished + delay);
        plan_.waiting[name] = {"CrashLoopBackOff",
                               "back-off " + Format(delay) + " restarting failed container=" + name +
                                   " pod=" + pod_.workload.name() + "_" + pod_.workload.namespace_() + "(" +
                                   pod_.workload.uid() + ")"};
        return;
      }
      // Until it runs again the last exit is shown, as the kubelet does.
      plan_.waiting.erase(name);
    }
    if (!Passed(model.setback)) {
      plan_.waiting[name] = {model.setback->reason, model.setback->message};
      return;
    }
    if (model.setback) plan_.waiting[name] = {model.setback->reason, model.setback->message};
    const bool image = ImageReady(container, model);
    const bool sandbox =
        pod_.sandbox.exists() && pod_.sandbox.ready && !pod_.sandbox.busy && pod_.sandbox.address_known;
    // Images come, and sandbox and volumes are made, while it waits for others.
    if (std::optional<PodPlan::Waiting> held_up = HeldUp(container)) {
      if (image || !model.image.setback) plan_.waiting[name] = *held_up;
      return;
    }
    if (!image || !sandbox || pod_.volumes != PodModel::Volumes::kReady) return;
    plan_.starts.push_back(name);
  }

 public:
  static int EffectiveStep(const v1::ContainerRecord& record,
                           const v1::ContainerState::Terminated& terminated) {
    const Duration ran(terminated.finished_at() - terminated.started_at());
    // A clock that was set back in between says nothing of how long it ran: no crash is held against it.
    const bool healthy =
        terminated.started_at() > 0 && (ran > kRestartBackoffReset || ran < -kStartNotedLate);
    return healthy ? 0 : record.backoff_step();
  }

 private:
  static std::string Format(Duration delay) {
    const auto all = std::chrono::duration_cast<seconds>(delay).count();
    std::string text = all >= 60 ? std::to_string(all / 60) + "m" : "";
    return text + std::to_string(all % 60) + "s";
  }

  [[nodiscard]] PodPlan::Waiting Default(bool init) const {
    const bool initializing = !init && !pod_.workload.init_containers().empty() && !pod_.initialized;
    return {initializing ? "PodInitializing" : "ContainerCreating", ""};
  }

  bool Passed(const std::optional<Setback>& setback) {
    if (!setback || now_ >= setback->until) return true;
    Wake(setback->until);
    return false;
  }

  void Wake(MonotonicTime at) {
    if (!plan_.wake || at < *plan_.wake) plan_.wake = at;
  }

  const PodModel& pod_;
  const MonotonicTime now_;
  PodPlan plan_;
};

}  // namespace

PodPlan PlanPod(const PodModel& pod, MonotonicTime now) { return Planner(pod, now).Plan(); }

int BackoffStepAfter(const v1::ContainerRecord& record) {
  if (!record.state().has_terminated()) return record.backoff_step();
  return Planner::EffectiveStep(record, record.state().terminated()) + 1;
}

}  // namespace slicelet::agent
