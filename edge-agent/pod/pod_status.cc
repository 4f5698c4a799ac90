#include "edge-agent/pod/pod_status.h"

#include <algorithm>
#include <vector>

#include "common/base/utf8.h"

namespace slicelet::agent {
namespace {

constexpr char kIdPrefix[] = "containerd://";
/// The kubelet's: the messages of one pod's containers share this much.
constexpr std::size_t kAllTerminationMessages = std::size_t{12} * 1024;
constexpr std::size_t kOneTerminationMessage = std::size_t{4} * 1024;
constexpr std::size_t kMostConditionMessage = std::size_t{4} * 1024;

v1::ContainerStatus MakeContainerStatus(const PodModel& pod, const PodPlan& plan,
                                        const v1::Container& container, bool init) {
  v1::ContainerStatus status;
  status.set_name(container.name());
  status.set_image(container.image());
  static const ContainerModel kNew;
  const ContainerModel* found = pod.Find(container.name());
  const ContainerModel& model = found != nullptr ? *found : kNew;
  const v1::ContainerRecord* record = FindRecord(pod.record, container.name());
  if (record != nullptr) {
    status.set_restart_count(record->restart_count());
    status.set_image_id(record->image_id());
    if (record->last_state().has_terminated()) *status.mutable_last_state() = record->last_state();
    // What runs is the image it was made from, until the new one does.
    if (!record->image().empty()) status.set_image(record->image());
  }
  if (model.exists()) status.set_container_id(kIdPrefix + model.id);

  const auto waiting = plan.waiting.find(container.name());
  if (model.running()) {
    status.mutable_state()->mutable_running()->set_started_at(model.started_at);
    status.set_started(model.post_start_done && model.startup_passed);
    status.set_ready(status.started() && model.ready_probe_passed && !pod.record.has_terminal_phase());
  } else if (record != nullptr && record->state().has_terminated() &&
             (waiting == plan.waiting.end() || waiting->second.reason == "ContainerCreating" ||
              waiting->second.reason == "PodInitializing")) {
    *status.mutable_state() = record->state();
    // A finished init container counts as ready when it succeeded.
    status.set_ready(init && !container.sidecar() && record->state().terminated().exit_code() == 0);
  } else {
    auto& state = *status.mutable_state()->mutable_waiting();
    const bool before = !init && !pod.workload.init_containers().empty() && !pod.initialized;
    state.set_reason(waiting != plan.waiting.end() ? waiting->second.reason
                                                   : (before ? "PodInitializing" : "ContainerCreating"));
    if (waiting != plan.waiting.end()) state.set_message(waiting->second.message);
    if (record != nullptr && record->state().has_terminated()) *status.mutable_last_state() = record->state();
  }
  if (status.container_id().empty()) {
    const v1::ContainerState& shown = status.state().has_terminated() ? status.state() : status.last_state();
    status.set_container_id(shown.terminated().container_id());
  }
  return status;
}

/// kubelet getPhase, without the terminal phases: those come from the record, when nothing runs any more.
v1::Phase PhaseOf(const PodModel& pod, const v1::WorkloadStatus& status) {
  if (pod.record.has_terminal_phase()) return pod.record.terminal_phase();
  bool ran = false;
  bool unstarted = false;
  bool running = false;
  for (const auto& container : status.containers()) {
    const bool has_run = container.state().has_running() || container.state().has_terminated() ||
                         container.last_state().has_terminated();
    ran = ran || has_run;
    unstarted = unstarted || !has_run;
    running = running || container.state().has_running();
  }
  for (int i = 0; i < status.init_containers_size() && !ran; ++i) {
    const auto& container = status.init_containers(i);
    const bool done =
        pod.workload.init_containers(i).sidecar()
            ? container.started()
            : container.state().has_terminated() && container.state().terminated().exit_code() == 0;
    if (!done) return v1::PHASE_PENDING;
  }
  if (unstarted) return v1::PHASE_PENDING;
  return v1::PHASE_RUNNING;
}

std::string Names(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& name : names) text += (text.empty() ? "" : " ") + name;
  return "[" + text + "]";
}

class Conditions {
 public:
  Conditions(v1::WorkloadStatus& status, const v1::WorkloadStatus* previous, std::int64_t now)
      : status_(status), previous_(previous), now_(now) {}

  void Set(const std::string& type, bool value, const std::string& reason = "",
           const std::string& message = "") {
    v1::Condition& condition = *status_.add_conditions();
    condition.set_type(type);
    condition.set_status(value);
    condition.set_reason(value && reason != "PodCompleted" ? "" : reason);
    condition.set_message(value ? "" : message);
    condition.set_last_transition(now_);
    if (previous_ == nullptr) return;
    for (const auto& old : previous_->conditions()) {
      if (old.type() == type && old.status() == value) condition.set_last_transition(old.last_transition());
    }
  }

 private:
  v1::WorkloadStatus& status_;
  const v1::WorkloadStatus* previous_;
  std::int64_t now_;
};

/// What one container says about itself: its waiting reason, its last exit, or that it is not ready yet.
std::string Complaint(const v1::ContainerStatus& container) {
  if (container.state().has_waiting()) {
    const auto& waiting = container.state().waiting();
    return waiting.reason() + (waiting.message().empty() ? "" : ": " + waiting.message());
  }
  if (container.state().has_terminated()) {
    return "exit code " + std::to_string(container.state().terminated().exit_code());
  }
  return container.started() ? "not ready" : "not started yet";
}

/// Names the services that hold a gateway or server up, and what each says; those that only wait for others
/// are counted.
void SetRoleCondition(Conditions& conditions, const std::string& type, const PodModel& pod,
                      const v1::WorkloadStatus& status) {
  std::string message;
  int waiting = 0;
  const auto look = [&](const v1::ContainerStatus& container) {
    if (container.ready()) return;
    if (container.state().waiting().reason() == kDependencyNotReady ||
        container.state().waiting().reason() == "PodInitializing") {
      ++waiting;
      return;
    }
    message += (message.empty() ? "" : "; ") + container.name() + ": " + Complaint(container);
  };
  for (int i = 0; i < status.init_containers_size(); ++i) {
    if (pod.initialized && !pod.workload.init_containers(i).sidecar()) continue;
    look(status.init_containers(i));
  }
  for (const auto& container : status.containers()) look(container);
  const bool ready = message.empty() && waiting == 0 && !pod.record.has_terminal_phase() && !pod.refused;
  if (waiting > 0) message += " (" + std::to_string(waiting) + " more wait for others)";
  conditions.Set(type, ready, "ServiceNotReady", message);
}

void SetDevicesCondition(Conditions& conditions, const PodModel& pod) {
  std::string message;
  int failed = 0;
  for (const auto& device : pod.devices) {
    if (device.applied()) continue;
    ++failed;
    message += "; " + device.name() + ": " + device.reason() +
               (device.message().empty() ? "" : ": " + device.message());
  }
  conditions.Set("slicelet.io/Devices", failed == 0, "DevicesNotApplied",
                 std::to_string(failed) + " of " + std::to_string(pod.devices.size()) + " not applied" +
                     std::string(Beginning(message, kMostConditionMessage)));
}

/// A changed image that can not be had: what runs is the former one, and its state says nothing of it. Only
/// said while it is so; the shim ends the condition.
void SetImagesCondition(Conditions& conditions, const PodModel& pod) {
  if (pod.record.has_terminal_phase() || pod.stop) return;
  std::string reason;
  std::string message;
  const auto look = [&](const v1::Container& container) {
    const v1::ContainerRecord* record = FindRecord(pod.record, container.name());
    const ContainerModel* model = pod.Find(container.name());
    if (record == nullptr || model == nullptr || record->image() == container.image()) return;
    const ImageModel& image = model->image;
    if (image.name != container.image() || !image.setback) return;
    if (reason.empty()) reason = image.setback->reason;
    message += (message.empty() ? "" : "; ") + container.name() +
               (model->running() ? " runs " + record->image() + " until " : " waits until ") +
               container.image() + " is there: " + image.setback->message;
  };
  for (const auto& container : pod.workload.init_containers()) {
    if (container.sidecar()) look(container);
  }
  for (const auto& container : pod.workload.containers()) look(container);
  if (reason.empty()) return;
  conditions.Set("slicelet.io/ImagesCurrent", false, reason,
                 std::string(Beginning(message, kMostConditionMessage)));
}

void LimitTerminationMessages(v1::WorkloadStatus& status) {
  // A few dozen. NOLINTNEXTLINE(bugprone-misplaced-widening-cast)
  const auto count = static_cast<std::size_t>(status.containers_size() + status.init_containers_size());
  const std::size_t limit = std::min(kOneTerminationMessage, count > 0 ? kAllTerminationMessages / count : 0);
  const auto cut = [limit](v1::ContainerState& state) {
    if (state.has_terminated() && state.terminated().message().size() > limit) {
      state.mutable_terminated()->set_message(std::string(Beginning(state.terminated().message(), limit)));
    }
  };
  for (auto* list : {status.mutable_containers(), status.mutable_init_containers()}) {
    for (auto& container : *list) {
      cut(*container.mutable_state());
      cut(*container.mutable_last_state());
    }
  }
}

}  // namespace

v1::WorkloadStatus MakeStatus(const PodModel& pod, const PodPlan& plan, const std::string& host_ip,
                              std::int64_t now, const v1::WorkloadStatus* previous) {
  v1::WorkloadStatus status;
  status.set_uid(pod.record.uid());
  status.set_pod_generation(pod.record.in_effect().pod_generation());
  status.set_start_time(pod.record.start_time());
  status.set_host_ip(host_ip);
  status.set_observed_at(now);
  if (pod.refused) *status.mutable_refused() = *pod.refused;
  for (const auto& container : pod.workload.init_containers()) {
    *status.add_init_containers() = MakeContainerStatus(pod, plan, container, true);
  }
  for (const auto& container : pod.workload.containers()) {
    *status.add_containers() = MakeContainerStatus(pod, plan, container, false);
  }
  if (pod.workload.host_network()) {
    if (pod.sandbox.exists() && !host_ip.empty()) status.add_pod_ips(host_ip);
  } else if (!pod.sandbox.ips.empty()) {
    for (const auto& ip : pod.sandbox.ips) status.add_pod_ips(ip);
  } else if (previous != nullptr) {
    // A pod keeps the address it had when its sandbox has ended.
    *status.mutable_pod_ips() = previous->pod_ips();
  }
  status.set_phase(PhaseOf(pod, status));
  if (pod.record.has_terminal_phase()) {
    status.set_reason(pod.record.terminal_reason());
    status.set_message(pod.record.terminal_message());
  }

  std::vector<std::string> unready;
  std::vector<std::string> uninitialized;
  for (int i = 0; i < status.init_containers_size(); ++i) {
    const auto& container = status.init_containers(i);
    const bool sidecar = pod.workload.init_containers(i).sidecar();
    if (sidecar ? !container.started() : !container.ready()) uninitialized.push_back(container.name());
    if (sidecar && !container.ready()) unready.push_back(container.name());
  }
  for (const auto& container : status.containers()) {
    if (!container.ready()) unready.push_back(container.name());
  }
  const bool succeeded = status.phase() == v1::PHASE_SUCCEEDED;
  const bool failed = status.phase() == v1::PHASE_FAILED;
  Conditions conditions(status, previous, now);
  conditions.Set("PodReadyToStartContainers",
                 pod.sandbox.exists() && pod.sandbox.ready && pod.sandbox.address_known);
  const bool initialized = uninitialized.empty() || pod.initialized || succeeded;
  conditions.Set("Initialized", initialized, succeeded ? "PodCompleted" : "ContainersNotInitialized",
                 "containers with incomplete status: " + Names(uninitialized));
  conditions.Set("ContainersReady", unready.empty() && !succeeded && !failed && !pod.refused,
                 succeeded ? "PodCompleted" : (failed ? "PodFailed" : "ContainersNotReady"),
                 succeeded || failed ? "" : "containers with unready status: " + Names(unready));
  SetImagesCondition(conditions, pod);
  if (pod.record.in_effect().role() == v1::ROLE_GATEWAY) {
    SetRoleCondition(conditions, "slicelet.io/Gateway", pod, status);
    for (const auto& device : pod.devices) *status.add_devices() = device;
    if (!pod.devices.empty()) SetDevicesCondition(conditions, pod);
  } else if (pod.record.in_effect().role() == v1::ROLE_SERVER) {
    SetRoleCondition(conditions, "slicelet.io/Server", pod, status);
  }
  LimitTerminationMessages(status);
  return status;
}

bool SameStatus(const v1::WorkloadStatus& a, const v1::WorkloadStatus& b) {
  v1::WorkloadStatus left = a;
  v1::WorkloadStatus right = b;
  for (auto* status : {&left, &right}) {
    status->clear_observed_at();
    status->clear_events();
  }
  return left.SerializeAsString() == right.SerializeAsString();
}

bool IsUrgentChange(const v1::WorkloadStatus& before, const v1::WorkloadStatus& after) {
  if (before.phase() != after.phase() || before.gone() != after.gone()) return true;
  if (before.containers_size() != after.containers_size()) return true;
  for (int i = 0; i < after.containers_size(); ++i) {
    const auto& a = before.containers(i);
    const auto& b = after.containers(i);
    if (a.ready() != b.ready() || a.state().state_case() != b.state().state_case()) return true;
  }
  return false;
}

}  // namespace slicelet::agent
