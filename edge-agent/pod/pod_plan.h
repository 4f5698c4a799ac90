#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "edge-agent/pod/pod_model.h"

namespace slicelet::agent {

/// What to do about one pod now. Everything in it may begin at once, side by side.
struct PodPlan {
  struct Stop {
    std::string container;
    Duration grace{};
    /// Why, for the Killing event.
    std::string message;
    /// The preStop hook runs first (it does not in a forced stop).
    bool pre_stop = true;

    friend bool operator==(const Stop&, const Stop&) = default;
  };
  struct Terminal {
    v1::Phase phase = v1::PHASE_FAILED;
    std::string reason, message;

    friend bool operator==(const Terminal&, const Terminal&) = default;
  };
  struct Waiting {
    std::string reason, message;

    friend bool operator==(const Waiting&, const Waiting&) = default;
  };

  bool prepare_volumes = false;
  bool run_sandbox = false;
  /// The sandbox is dead, or the pod is terminal: its processes end and its network goes.
  bool stop_sandbox = false;
  /// Containers whose image is looked up or pulled.
  std::vector<std::string> images;
  std::vector<std::string> starts;
  std::vector<Stop> stops;
  /// Every init container is done: `PodModel::initialized` becomes true.
  bool initialized = false;
  /// Nothing runs any more and nothing will: to be recorded.
  std::optional<Terminal> terminal;
  /// Nothing runs any more and the pod is to be removed: all that is left of it goes.
  bool remove = false;
  /// Containers that wait, and why.
  std::map<std::string, Waiting> waiting;
  /// Plan again then, unless something happens before.
  std::optional<MonotonicTime> wake;
};

/// The restart backoff of a container that finished (kubelet: 10 s, doubling to 300 s, forgotten when it ran
/// for 600 s). `step` counts the restarts in a row.
Duration RestartBackoff(int step);
inline constexpr Duration kRestartBackoffReset = std::chrono::seconds(600);
/// A stop never has less time than this, unless it is forced.
inline constexpr Duration kMinimumGrace = std::chrono::seconds(2);

/// The backoff step after the container's next restart.
int BackoffStepAfter(const v1::ContainerRecord& record);

/// The waiting reason of a container that others hold up (annotation slicelet.io/depends-on).
inline constexpr char kDependencyNotReady[] = "DependencyNotReady";

/// Decides everything about one pod; has no memory of its own.
///
///     volumes  ---\                    init containers in order         all done        stopped
///     sandbox  ----+--> containers:    sidecars started before the  --> terminal   -->  record, sandbox
///     stopped images   ---/                    next, then all app containers    (or stop)       (stop:
///     removed)
///
/// A container starts, also again after a crash, only while all it depends on are Ready. One that runs is
/// left alone whatever becomes of them.
PodPlan PlanPod(const PodModel& pod, MonotonicTime now);

}  // namespace slicelet::agent
