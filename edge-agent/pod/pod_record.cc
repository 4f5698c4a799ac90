#include "edge-agent/pod/pod_record.h"

#include <algorithm>
#include <cstdlib>

#include "edge-agent/pod/container_config.h"
#include "edge-agent/pod/pod_plan.h"

namespace slicelet::agent {
namespace {

constexpr std::int32_t kUnknownExitCode = 137;
constexpr Duration kOldestFinish = std::chrono::hours(1);

std::string Annotation(const Container& container, const char* key) {
  const auto it = container.annotations.find(key);
  return it == container.annotations.end() ? "" : it->second;
}

void Finish(ContainerModel& model, v1::ContainerRecord& record,
            const v1::ContainerState::Terminated& terminated, MonotonicTime now, std::int64_t wall) {
  *record.mutable_state()->mutable_terminated() = terminated;
  if (record.init() && terminated.exit_code() == 0) record.set_init_done(true);
  // Backoff counts from the finish; a wall clock that jumped must not make that a time far away.
  const Duration ago =
      terminated.finished_at() > 0 ? Duration(wall - terminated.finished_at()) : Duration::zero();
  model.finished = now - std::clamp(ago, Duration::zero(), kOldestFinish);
  model.phase = ContainerPhase::kExited;
  model.operation = ContainerModel::Operation::kNone;
  model.post_start_done = model.startup_passed = model.ready_probe_passed = false;
  model.kill_message.reset();
}

}  // namespace

Observation Observe(PodModel& pod, const Container& container, const std::string& termination_message,
                    MonotonicTime now, std::int64_t wall) {
  const bool init = Annotation(container, kInitAnnotation) == "true";
  v1::ContainerRecord& record = RecordOf(pod.record, container.name, init);
  ContainerModel& model = pod.containers[container.name];
  const auto attempt = static_cast<std::int32_t>(container.attempt);
  if (container.phase == ContainerPhase::kCreated) {
    // It never began: as if the attempt had not been made, but its name is taken.
    model.attempt_floor = std::max(model.attempt_floor, attempt + 1);
    if (attempt == record.last_attempt()) ForgetAttempt(pod, container.name);
    return Observation::kStale;
  }
  if (attempt < record.last_attempt()) return Observation::kStale;
  if (attempt > record.last_attempt()) {
    if (record.state().has_terminated()) *record.mutable_last_state() = record.state();
    record.clear_state();
    record.set_last_attempt(attempt);
    record.set_image(Annotation(container, kImageAnnotation));
    record.set_image_id(container.image_ref);
    const int count = std::atoi(Annotation(container, kRestartCountAnnotation).c_str());
    record.set_restart_count(std::max(record.restart_count(), count));
  }
  const bool over = record.state().has_terminated();
  switch (container.phase) {
    case ContainerPhase::kRunning:
    case ContainerPhase::kUnknown:
      // What was reported as over is never put back.
      if (over) return Observation::kStale;
      if (!model.running() || model.id != container.id) {
        const Duration ago =
            container.started_at > 0 ? Duration(wall - container.started_at) : Duration::zero();
        model.started = now - std::clamp(ago, Duration::zero(), kOldestFinish);
      }
      model.id = container.id;
      model.sandbox_id = container.sandbox_id;
      model.phase = container.phase;
      model.started_at = container.started_at;
      if (!container.image_ref.empty()) record.set_image_id(container.image_ref);
      return Observation::kCurrent;
    case ContainerPhase::kCreated:
    case ContainerPhase::kExited:
      break;
  }
  model.id = container.id;
  model.sandbox_id = container.sandbox_id;
  if (over) {
    model.phase = ContainerPhase::kExited;
    if (model.finished == MonotonicTime{}) {
      const std::int64_t finished_at = record.state().terminated().finished_at();
      const Duration ago = finished_at > 0 ? Duration(wall - finished_at) : Duration::zero();
      model.finished = now - std::clamp(ago, Duration::zero(), kOldestFinish);
    }
    return Observation::kCurrent;
  }
  v1::ContainerState::Terminated terminated;
  terminated.set_exit_code(container.exit_code);
  terminated.set_reason(!container.reason.empty() ? container.reason
                                                  : (container.exit_code == 0 ? "Completed" : "Error"));
  terminated.set_message(termination_message.empty() ? container.message : termination_message);
  terminated.set_started_at(container.started_at != 0 ? container.started_at : model.started_at);
  terminated.set_finished_at(container.finished_at != 0 ? container.finished_at : wall);
  terminated.set_container_id("containerd://" + container.id);
  Finish(model, record, terminated, now, wall);
  return Observation::kCurrent;
}

void TakeUp(v1::PodRecord& record, const std::string& boot_id) {
  if (boot_id.empty()) return;
  const bool was_off = !record.boot_id().empty() && record.boot_id() != boot_id;
  record.set_boot_id(boot_id);
  if (!was_off) return;
  for (auto& container : *record.mutable_containers()) {
    if (!container.state().has_terminated()) container.set_backoff_step(0);
  }
}

void ForgetAttempt(PodModel& pod, const std::string& name) {
  const v1::ContainerRecord* known = FindRecord(pod.record, name);
  if (known == nullptr || known->last_attempt() < 0 || known->state().has_terminated()) return;
  v1::ContainerRecord& record = RecordOf(pod.record, name, known->init());
  ContainerModel& model = pod.containers[name];
  model.attempt_floor = std::max(model.attempt_floor, record.last_attempt() + 1);
  model.id.clear();
  record.set_last_attempt(record.last_attempt() - 1);
  if (record.last_state().has_terminated()) {
    *record.mutable_state() = record.last_state();
    record.clear_last_state();
    record.set_restart_count(std::max(0, record.restart_count() - 1));
  } else {
    record.set_last_attempt(-1);
  }
}

void MarkLost(PodModel& pod, const std::string& name, MonotonicTime now, std::int64_t wall) {
  const v1::ContainerRecord* known = FindRecord(pod.record, name);
  if (known == nullptr || known->last_attempt() < 0 || known->state().has_terminated()) return;
  v1::ContainerRecord& record = RecordOf(pod.record, name, known->init());
  ContainerModel& model = pod.containers[name];
  v1::ContainerState::Terminated terminated;
  terminated.set_exit_code(kUnknownExitCode);
  terminated.set_reason("ContainerStatusUnknown");
  terminated.set_message("The container could not be located when the pod was checked");
  terminated.set_started_at(model.started_at);
  terminated.set_finished_at(wall);
  if (!model.id.empty()) terminated.set_container_id("containerd://" + model.id);
  model.id.clear();
  Finish(model, record, terminated, now, wall);
}

std::uint32_t NextAttempt(const PodModel& pod, const std::string& name) {
  const v1::ContainerRecord* record = FindRecord(pod.record, name);
  const ContainerModel* model = pod.Find(name);
  const std::int32_t next = record != nullptr ? record->last_attempt() + 1 : 0;
  return static_cast<std::uint32_t>(std::max(next, model != nullptr ? model->attempt_floor : 0));
}

std::int32_t NextRestartCount(const PodModel& pod, const std::string& name) {
  const v1::ContainerRecord* record = FindRecord(pod.record, name);
  if (record == nullptr) return 0;
  return record->restart_count() + (record->state().has_terminated() ? 1 : 0);
}

void BeginAttempt(PodModel& pod, const v1::Container& container, bool init, std::uint32_t attempt,
                  const std::string& id, const std::string& image_id) {
  v1::ContainerRecord& record = RecordOf(pod.record, container.name(), init);
  const bool other_image = record.image() != container.image();
  record.set_backoff_step(other_image ? 0 : BackoffStepAfter(record));
  record.set_restart_count(NextRestartCount(pod, container.name()));
  if (record.state().has_terminated()) *record.mutable_last_state() = record.state();
  record.clear_state();
  record.set_last_attempt(static_cast<std::int32_t>(attempt));
  record.set_image(container.image());
  record.set_image_id(image_id);
  ContainerModel& model = pod.containers[container.name()];
  model.id = id;
  model.sandbox_id = pod.sandbox.id;
  model.phase = ContainerPhase::kCreated;
  model.started_at = 0;
  model.restart_anyway = false;
  // What was held against the former attempt is not this one's.
  model.kill_message.reset();
  model.image.ready.reset();
  model.image.setback.reset();
}

}  // namespace slicelet::agent
