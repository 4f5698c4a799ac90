#include "edge-agent/probes/container_probes.h"

#include <strings.h>

#include <algorithm>
#include <set>

namespace slicelet::agent {
namespace {

using std::chrono::seconds;

/// What an exec check's output may add to a message (kubelet: 10 KiB are read; an event holds 1 KiB).
constexpr std::size_t kMostOutput = 1024;
/// An address that is not known yet will be soon.
constexpr Duration kAskAgain = std::chrono::milliseconds(200);

/// Whether the check goes to the container's own address.
bool GoesToContainer(const v1::Handler& handler) {
  if (handler.has_http_get()) return handler.http_get().host().empty();
  if (handler.has_tcp_socket()) return handler.tcp_socket().host().empty();
  return handler.has_grpc();
}

/// A server that tells its names apart has to see the one it knows, whatever the address is meanwhile.
void NameHost(v1::Handler::HttpGet& request, const std::string& host) {
  for (const auto& [name, value] : request.headers())
    if (strcasecmp(name.c_str(), "host") == 0) return;
  const bool v6 = host.find(':') != std::string::npos;
  (*request.mutable_headers())["Host"] =
      (v6 ? "[" + host + "]" : host) + ":" + std::to_string(request.port());
}

}  // namespace

void RunHandler(Loop& loop, ContainerRuntime& runtime, Prober& prober, const v1::Handler& handler,
                const std::string& container_id, const std::string& host, Duration timeout,
                StatusCallback done) {
  if (handler.has_exec()) {
    const std::vector<std::string> command(handler.exec().command().begin(), handler.exec().command().end());
    runtime.ExecSync(container_id, command, timeout,
                     [done = std::move(done)](const absl::StatusOr<ExecResult>& result) {
                       if (!result.ok()) {
                         const absl::Status& why = result.status();
                         // That one is what an exit code makes.
                         done(absl::IsFailedPrecondition(why) ? absl::UnknownError(Message(why)) : why);
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

  [[nodiscard]] std::string Name() const {
    static const char* const kNames[] = {"Startup", "Liveness", "Readiness"};
    return kNames[static_cast<int>(kind)];
  }
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
  /// Where the check under way went.
  std::optional<CheckHost> host;
  /// Where the container has answered.
  std::set<std::string> answered;
  bool last = false;
  int in_a_row = 0;
  /// Checks in a row that said nothing.
  int silent = 0;
  std::optional<bool> decided;
};

ContainerProbes::ContainerProbes(Loop& loop, ContainerRuntime& runtime, Prober& prober,
                                 const v1::Container& container, std::string container_id, FindHost host,
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
  probe.host = CheckHost{};
  v1::Handler handler = probe.spec.handler();
  if (GoesToContainer(handler)) {
    probe.host = host_();
    if (!probe.host) {
      probe.timer.Set(kAskAgain, [this, &probe] { Check(probe); });
      return;
    }
    if (handler.has_http_get() && !probe.host->instead_of.empty())
      NameHost(*handler.mutable_http_get(), probe.host->instead_of);
  }
  RunHandler(loop_, runtime_, prober_, handler, container_id_, probe.host->address, probe.Timeout(),
             lifetime_.Guard([this, &probe](const absl::Status& result) { Conclude(probe, result); }));
}

void ContainerProbes::Rearm(Probe& probe) {
  // The next check is due one period after the last one began, however long it took.
  const Duration rest = probe.checked + probe.Period() - loop_.Now();
  probe.timer.Set(std::max<Duration>(rest, Duration::zero()), [this, &probe] { Check(probe); });
}

bool ContainerProbes::SaysNothing(const Probe& probe, const absl::Status& result) const {
  // As the kubelet: only an exit code and a timeout are the command's. A runtime that is short of pids or of
  // memory can not start it.
  if (probe.spec.handler().has_exec())
    return !absl::IsFailedPrecondition(result) && !absl::IsDeadlineExceeded(result);
  if (!GoesToContainer(probe.spec.handler())) return false;
  // The address went while the check was under way.
  if (host_() != probe.host) return true;
  // It may listen at the lost address alone. Nobody reaches it there, so it is not ready; but no restart
  // brings the address back.
  return absl::IsUnavailable(result) && !probe.host->instead_of.empty() &&
         probe.answered.count(probe.host->address) == 0 && probe.kind != Probe::Kind::kReadiness;
}

void ContainerProbes::OnNothingSaid(Probe& probe, const absl::Status& result) {
  const bool exec = probe.spec.handler().has_exec();
  // It will be back.
  if (exec && absl::IsUnavailable(result)) return;
  ++probe.silent;
  if (exec && probe.silent == 1) events_.on_unhealthy(probe.Name() + " probe errored: " + Message(result));
  if (probe.silent == probe.Threshold(false) && probe.kind != Probe::Kind::kLiveness && !probe.decided)
    events_.on_undecided();
}

void ContainerProbes::Conclude(Probe& probe, const absl::Status& result) {
  Rearm(probe);
  const bool passed = result.ok();
  if (!passed && SaysNothing(probe, result)) return OnNothingSaid(probe, result);
  probe.silent = 0;
  if (passed) probe.answered.insert(probe.host->address);
  probe.in_a_row = passed == probe.last && probe.in_a_row > 0 ? probe.in_a_row + 1 : 1;
  probe.last = passed;
  if (!passed) events_.on_unhealthy(probe.Name() + " probe failed: " + Message(result));
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
