#include "edge-agent/probes/container_probes.h"

#include <algorithm>
#include <optional>

namespace slicelet::agent {
namespace {

using std::chrono::seconds;

/// What an exec check's output may add to a message (kubelet: 10 KiB are read; an event holds 1 KiB).
constexpr std::size_t kMostOutput = 1024;

}  // namespace

void RunHandler(Loop& loop, ContainerRuntime& runtime, Prober& prober, const v1::Handler& handler,
                const std::string& container_id, const std::string& host, Duration timeout,
                StatusCallback done) {
  if (handler.has_exec()) {
    const std::vector<std::string> command(handler.exec().command().begin(), handler.exec().command().end());
    runtime.ExecSync(container_id, command, timeout,
                     [done = std::move(done)](const absl::StatusOr<ExecResult>& result) {
                       if (!result.ok()) {
                         done(result.status());
                         return;
                       }
                       if (result->exit_code == 0) {
                         done(absl::OkStatus());
                         return;
                       }
                       std::string output = result->out + result->err;
                       if (output.size() > kMostOutput) output.resize(kMostOutput);
                       if (output.empty())
                         output = "command exited with " + std::to_string(result->exit_code);
                       done(absl::FailedPreconditionError(output));
                     });
    return;
  }
  if (handler.has_sleep_seconds()) {
    loop.RunAfter(std::min<Duration>(seconds(handler.sleep_seconds()), timeout),
                  [done = std::move(done)] { done(absl::OkStatus()); });
    return;
  }
  prober.Check(handler, host, timeout, std::move(done));
}

struct ContainerProbes::Probe {
  enum class Kind { kStartup, kLiveness, kReadiness };

  Probe(Kind kind, v1::Probe spec, Loop& loop) : kind(kind), spec(std::move(spec)), timer(loop) {}

  [[nodiscard]] Duration Period() const {
    return seconds(spec.period_seconds() > 0 ? spec.period_seconds() : 10);
  }
  [[nodiscard]] Duration Timeout() const {
    return seconds(spec.timeout_seconds() > 0 ? spec.timeout_seconds() : 1);
  }
  [[nodiscard]] int Threshold(bool success) const {
    if (success) return std::max(1, spec.success_threshold());
    return spec.failure_threshold() > 0 ? spec.failure_threshold() : 3;
  }

  Kind kind;
  v1::Probe spec;
  Timer timer;
  MonotonicTime checked;
  bool last = false;
  int in_a_row = 0;
  std::optional<bool> decided;
};

ContainerProbes::ContainerProbes(Loop& loop, ContainerRuntime& runtime, Prober& prober,
                                 const v1::Container& container, std::string container_id, std::string host,
                                 MonotonicTime started, Events events)
    : loop_(loop),
      runtime_(runtime),
      prober_(prober),
      name_(container.name()),
      container_id_(std::move(container_id)),
      host_(std::move(host)),
      started_(started),
      events_(std::move(events)) {
  if (container.has_liveness_probe()) {
    probes_.push_back(std::make_unique<Probe>(Probe::Kind::kLiveness, container.liveness_probe(), loop));
  }
  if (container.has_readiness_probe()) {
    probes_.push_back(std::make_unique<Probe>(Probe::Kind::kReadiness, container.readiness_probe(), loop));
  }
  if (container.has_startup_probe()) {
    probes_.push_back(std::make_unique<Probe>(Probe::Kind::kStartup, container.startup_probe(), loop));
    Begin(*probes_.back());
  } else {
    BeginOthers();
  }
}

ContainerProbes::~ContainerProbes() = default;

void ContainerProbes::BeginOthers() {
  for (auto& probe : probes_) {
    if (probe->kind != Probe::Kind::kStartup) Begin(*probe);
  }
}

void ContainerProbes::Begin(Probe& probe) {
  const MonotonicTime first = started_ + seconds(probe.spec.initial_delay_seconds());
  probe.timer.Set(std::max<Duration>(first - loop_.Now(), Duration::zero()),
                  [this, &probe] { Check(probe); });
}

void ContainerProbes::Check(Probe& probe) {
  probe.checked = loop_.Now();
  RunHandler(loop_, runtime_, prober_, probe.spec.handler(), container_id_, host_, probe.Timeout(),
             lifetime_.Guard([this, &probe](const absl::Status& result) { Conclude(probe, result); }));
}

void ContainerProbes::Conclude(Probe& probe, const absl::Status& result) {
  // The next check is due one period after the last one began, however long it took.
  const Duration rest = probe.checked + probe.Period() - loop_.Now();
  probe.timer.Set(std::max<Duration>(rest, Duration::zero()), [this, &probe] { Check(probe); });
  // The runtime being away says nothing about the container.
  if (absl::IsUnavailable(result) && probe.spec.handler().has_exec()) return;

  const bool passed = result.ok();
  probe.in_a_row = passed == probe.last && probe.in_a_row > 0 ? probe.in_a_row + 1 : 1;
  probe.last = passed;
  static const char* const kNames[] = {"Startup", "Liveness", "Readiness"};
  if (!passed) {
    events_.on_unhealthy(std::string(kNames[static_cast<int>(probe.kind)]) +
                         " probe failed: " + Message(result));
  }
  if (probe.in_a_row < probe.Threshold(passed)) {
    // Readiness is "no" until decided; the first result tells that much.
    if (probe.kind == Probe::Kind::kReadiness && !probe.decided) {
      probe.decided = false;
      events_.on_ready(false);
    }
    return;
  }
  switch (probe.kind) {
    case Probe::Kind::kReadiness: {
      if (probe.decided == passed) return;
      probe.decided = passed;
      events_.on_ready(passed);
      return;
    }
    case Probe::Kind::kStartup:
      probe.timer.Cancel();
      if (passed) {
        BeginOthers();
        events_.on_started();
      } else {
        events_.on_failed("Container " + name_ + " failed startup probe, will be restarted");
      }
      return;
    case Probe::Kind::kLiveness:
      if (passed) return;
      probe.timer.Cancel();
      events_.on_failed("Container " + name_ + " failed liveness probe, will be restarted");
      return;
  }
}

}  // namespace slicelet::agent
