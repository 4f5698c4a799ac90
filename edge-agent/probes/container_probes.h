#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/loop/loop.h"
#include "edge-agent/probes/prober.h"
#include "edge-agent/runtime/container_runtime.h"
#include "slicelet/v1/workload.pb.h"

namespace slicelet::agent {

/// Carries out one check or hook in or against a container: exec through the runtime, sleep by the loop, the
/// rest through the prober. OK when it passed; the message of a failure is the kubelet's. Of exec only
/// FailedPrecondition (an exit code) and DeadlineExceeded are the container's failures; anything else is the
/// runtime's and says nothing about the container, Unavailable that it can not be reached.
void RunHandler(Loop& loop, ContainerRuntime& runtime, Prober& prober, const v1::Handler& handler,
                const std::string& container_id, const std::string& host, Duration timeout,
                StatusCallback done);

/// Where the checks of a container go that name no host of their own.
struct CheckHost {
  std::string address;
  /// The address that was the container's when it started and that the host has lost; `address` stands in for
  /// it. Whoever listens at that one alone is not reached, and is well all the same. Empty: none was lost.
  std::string instead_of;

  friend bool operator==(const CheckHost&, const CheckHost&) = default;
};

/// The startup, liveness and readiness probes of one running container (kubelet prober/worker.go): each is
/// repeated every period, counts results in a row and tells when a threshold is passed. Liveness and
/// readiness begin when the startup probe has passed. Destroying it ends all probing.
class ContainerProbes {
 public:
  struct Events {
    /// The startup probe passed. Not called without one.
    std::function<void()> on_started;
    /// Readiness was decided for the first time, or changed. Not called without a readiness probe.
    std::function<void(bool ready)> on_ready;
    /// The container has to be stopped: "Container X failed liveness probe, will be restarted".
    std::function<void(const std::string& message)> on_failed;
    /// One check failed: for the Unhealthy event.
    std::function<void(const std::string& message)> on_unhealthy;
    /// As many checks in a row as would have decided said nothing: what is not known by now is not waited
    /// for.
    std::function<void()> on_undecided;
  };

  /// Asked anew for each check, since addresses come and go; nullopt: not known now, so nothing is checked.
  using FindHost = std::function<std::optional<CheckHost>()>;

  /// `started`: when the container started. The dependencies must outlive this object.
  ContainerProbes(Loop& loop, ContainerRuntime& runtime, Prober& prober, const v1::Container& container,
                  std::string container_id, FindHost host, MonotonicTime started, Events events);
  ~ContainerProbes();

 private:
  struct Probe;

  void Begin(Probe& probe);
  void Check(Probe& probe);
  void Rearm(Probe& probe);
  void Conclude(Probe& probe, const absl::Status& result);
  void OnNothingSaid(Probe& probe, const absl::Status& result);
  /// Whether a failed check tells nothing about the container.
  [[nodiscard]] bool SaysNothing(const Probe& probe, const absl::Status& result) const;
  void BeginOthers();

  Loop& loop_;
  ContainerRuntime& runtime_;
  Prober& prober_;
  const std::string name_;
  const std::string container_id_;
  const FindHost host_;
  const MonotonicTime started_;
  const Events events_;
  std::vector<std::unique_ptr<Probe>> probes_;
  Lifetime lifetime_;
};

}  // namespace slicelet::agent
