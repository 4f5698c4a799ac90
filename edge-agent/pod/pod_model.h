#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/base/time.h"
#include "edge-agent/runtime/container_runtime.h"
#include "slicelet/v1/agent_store.pb.h"
#include "slicelet/v1/workload.pb.h"

namespace slicelet::agent {

/// Something that failed and is tried again at `until`.
struct Setback {
  std::string reason;  // the waiting reason: ErrImagePull, CreateContainerError ...
  std::string message;
  MonotonicTime until;
  int count = 0;
};

/// Getting one container's image onto the host for its next start.
struct ImageModel {
  bool busy = false;
  /// Set when the image named `name` is there; used up by the start.
  std::optional<Image> ready;
  std::string name;
  std::optional<Setback> setback;
};

/// One container of a pod: its latest attempt in the runtime, and what the agent is doing with it. What a
/// reboot must not forget is in the pod's record.
struct ContainerModel {
  enum class Operation { kNone, kStarting, kStopping };

  /// At most one operation at a time.
  Operation operation = Operation::kNone;
  /// The runtime's id of attempt `record.last_attempt`; empty when the runtime has no such container.
  std::string id;
  std::string sandbox_id;
  ContainerPhase phase = ContainerPhase::kUnknown;  // of `id`
  std::int64_t started_at = 0;
  MonotonicTime started;
  MonotonicTime finished;
  ImageModel image;
  std::optional<Setback> setback;
  /// No smaller attempt can be made: the runtime may still hold its name.
  std::int32_t attempt_floor = 0;

  // While it runs:
  bool post_start_done = false;
  /// The startup probe passed, or there is none.
  bool startup_passed = false;
  bool ready_probe_passed = false;
  /// Why it must be stopped although the pod goes on: a failed probe or hook.
  std::optional<std::string> kill_message;
  /// Start it again whatever the restart policy says: it was stopped for its new image.
  bool restart_anyway = false;
  /// Other instances of this container that are being removed: nothing may start before they are gone.
  int stale = 0;
  /// The end of the grace that a stop under way was given.
  MonotonicTime stop_deadline;

  [[nodiscard]] bool exists() const { return !id.empty(); }
  [[nodiscard]] bool running() const {
    return exists() && (phase == ContainerPhase::kRunning || phase == ContainerPhase::kUnknown);
  }
  [[nodiscard]] bool busy() const { return operation != Operation::kNone || stale > 0; }
  [[nodiscard]] bool fully_started() const {
    return running() && operation != Operation::kStarting && post_start_done && startup_passed;
  }
};

struct SandboxModel {
  std::string id;
  std::uint32_t attempt = 0;
  bool ready = false;
  bool busy = false;
  /// The call that was to make one failed, and may have made one: only a later list tells.
  bool unknown = false;
  std::vector<std::string> ips;
  /// The pod's address is known (always for host network).
  bool address_known = false;
  std::optional<Setback> setback;

  [[nodiscard]] bool exists() const { return !id.empty(); }
};

/// All that decides what to do about one pod. Plain data: `PlanPod` is a function of it.
struct PodModel {
  v1::Workload workload;
  /// Of a pod with role gateway; its own `workload` is not set.
  std::optional<v1::GatewayDeployment> gateway;
  /// What its core-metadata and its core-data said of its IoT devices.
  std::vector<v1::DeviceStatus> devices;
  v1::PodRecord record;
  std::map<std::string, ContainerModel> containers;
  SandboxModel sandbox;
  enum class Volumes { kNone, kReady } volumes = Volumes::kNone;
  std::optional<Setback> volumes_setback;
  /// App containers may run: every init container is done in this sandbox's life.
  bool initialized = false;
  struct Stop {
    MonotonicTime deadline;
    bool forced = false;  // grace 0
  };
  /// The pod is being removed.
  std::optional<Stop> stop;
  /// activeDeadlineSeconds runs out.
  std::optional<MonotonicTime> active_deadline;
  std::optional<v1::Refusal> refused;

  /// nullptr when the pod has no such container.
  [[nodiscard]] const ContainerModel* Find(const std::string& name) const {
    const auto it = containers.find(name);
    return it == containers.end() ? nullptr : &it->second;
  }
};

/// The record of a container; nullptr if it was never made.
const v1::ContainerRecord* FindRecord(const v1::PodRecord& record, const std::string& name);
v1::ContainerRecord& RecordOf(v1::PodRecord& record, const std::string& name, bool init);

}  // namespace slicelet::agent
