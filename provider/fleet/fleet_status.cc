#include "provider/fleet/fleet_status.h"

#include <algorithm>
#include <map>
#include <utility>

namespace slicelet::provider {
namespace {

constexpr std::size_t kShownHosts = 5;
constexpr std::size_t kShownReasons = 5;
constexpr char kWaitsForPlace[] = "WaitsForPlace";

bool IsTerminal(v1::Phase phase) { return phase == v1::PHASE_SUCCEEDED || phase == v1::PHASE_FAILED; }

bool Refused(const FleetInstance& instance) {
  return instance.status != nullptr && instance.status->has_refused();
}
/// It runs, ran, or is going to.
bool Counts(const FleetInstance& instance) { return instance.superseded.empty() && !Refused(instance); }
bool Finished(const FleetInstance& instance) {
  return instance.status != nullptr && !Refused(instance) && IsTerminal(instance.status->phase());
}
bool Started(const FleetInstance& instance) {
  return instance.status != nullptr && !Refused(instance) && instance.status->phase() != v1::PHASE_PENDING;
}
bool ConditionIs(const v1::WorkloadStatus& status, const std::string& type) {
  return std::any_of(
      status.conditions().begin(), status.conditions().end(),
      [&](const v1::Condition& condition) { return condition.type() == type && condition.status(); });
}
bool Ready(const FleetInstance& instance) {
  return Counts(instance) && instance.status != nullptr && ConditionIs(*instance.status, "ContainersReady");
}
bool IsOrdinary(const std::string& waiting) {
  return waiting.empty() || waiting == "ContainerCreating" || waiting == "PodInitializing";
}

const v1::ContainerStatus* Find(const v1::WorkloadStatus& status, const std::string& name, bool init) {
  for (const auto& container : init ? status.init_containers() : status.containers()) {
    if (container.name() == name) return &container;
  }
  return nullptr;
}

/// How much a state that is not Running asks for attention.
int Badness(const v1::ContainerState& state) {
  switch (state.state_case()) {
    case v1::ContainerState::kWaiting:
      return IsOrdinary(state.waiting().reason()) ? 1 : 3;
    case v1::ContainerState::kTerminated:
      return state.terminated().exit_code() != 0 ? 2 : 0;
    case v1::ContainerState::kRunning:
    case v1::ContainerState::STATE_NOT_SET:
      break;
  }
  return 1;
}

/// "gw-3, gw-7 and 4 more"
std::string Names(const std::vector<std::string>& hosts) {
  std::string names;
  for (std::size_t i = 0; i < std::min(hosts.size(), kShownHosts); ++i)
    names += (i == 0 ? "" : ", ") + hosts[i];
  if (hosts.size() > kShownHosts) names += " and " + std::to_string(hosts.size() - kShownHosts) + " more";
  return names;
}

class Aggregation {
 public:
  Aggregation(const v1::Workload& workload, const FleetTerms& terms, const std::string& node,
              const std::vector<FleetInstance>& instances, const std::vector<HostId>& undecided,
              const v1::WorkloadStatus* former)
      : workload_(workload),
        terms_(terms),
        node_(node),
        instances_(instances),
        undecided_(undecided),
        former_(former) {
    for (const FleetInstance& instance : instances) {
      reachable_ += instance.reachable && instance.superseded.empty() ? 1 : 0;
    }
  }

  FleetStatus Run() {
    v1::WorkloadStatus& status = result_.status;
    status.set_uid(workload_.uid());
    status.set_phase(PhaseOf());
    for (const v1::Container& container : workload_.init_containers())
      *status.add_init_containers() = ContainerOf(container, true);
    for (const v1::Container& container : workload_.containers())
      *status.add_containers() = ContainerOf(container, false);
    AddTimes();
    AddConditions();
    if (status.phase() == v1::PHASE_FAILED) ExplainFailure();
    Summarize();
    Place();
    return std::move(result_);
  }

 private:
  [[nodiscard]] v1::Phase PhaseOf() const {
    const v1::Phase shown = former_ == nullptr ? v1::PHASE_PENDING : former_->phase();
    if (IsTerminal(shown)) return shown;
    bool all_over = undecided_.empty();
    bool any_failed = false;
    bool any_started = shown == v1::PHASE_RUNNING;
    for (const FleetInstance& instance : instances_) {
      any_started = any_started || Started(instance);
      // Where it is refused it will not run; where it is superseded it comes back.
      all_over = all_over && (Finished(instance) || Refused(instance));
      any_failed = any_failed || Refused(instance) ||
                   (Finished(instance) && instance.status->phase() == v1::PHASE_FAILED);
    }
    if (all_over && IsOverSomewhere(instances_)) return any_failed ? v1::PHASE_FAILED : v1::PHASE_SUCCEEDED;
    return any_started ? v1::PHASE_RUNNING : v1::PHASE_PENDING;
  }

  /// Whether enough hosts satisfy `predicate`. With no host in reach what was known last counts.
  template <typename Predicate>
  [[nodiscard]] bool Enough(Predicate predicate) const {
    std::size_t count = 0;
    for (const FleetInstance& instance : instances_) {
      const bool known =
          instance.reachable || reachable_ == 0 || terms_.min_ready.number || terms_.min_ready.percent;
      count += known && predicate(instance) ? 1 : 0;
    }
    return terms_.min_ready.Met(count, reachable_, instances_.size());
  }

  v1::ContainerStatus ContainerOf(const v1::Container& container, bool init) const {
    v1::ContainerStatus out;
    out.set_name(container.name());
    const v1::ContainerStatus* running = nullptr;
    const v1::ContainerStatus* worst = nullptr;
    const v1::ContainerStatus* restarted = nullptr;
    std::size_t finished = 0;
    bool unknown = false;
    bool started = false;
    for (const FleetInstance& instance : instances_) {
      if (!Counts(instance)) continue;
      const v1::ContainerStatus* one =
          instance.status == nullptr ? nullptr : Find(*instance.status, container.name(), init);
      if (one == nullptr) {
        unknown = true;
        continue;
      }
      started = started || one->started();
      if (restarted == nullptr || one->restart_count() > restarted->restart_count()) restarted = one;
      if (one->state().has_running() && (running == nullptr || (one->ready() && !running->ready())))
        running = one;
      if (worst == nullptr || Badness(one->state()) > Badness(worst->state())) worst = one;
      finished += one->state().has_terminated() ? 1 : 0;
    }
    const v1::ContainerStatus* shown = running != nullptr ? running : worst;
    if (shown != nullptr) {
      out.set_image(shown->image());
      out.set_image_id(shown->image_id());
      out.set_container_id(shown->container_id());
    }
    if (restarted != nullptr) {
      out.set_restart_count(restarted->restart_count());
      *out.mutable_last_state() = restarted->last_state();
    }
    const v1::ContainerStatus* former = former_ == nullptr ? nullptr : Find(*former_, container.name(), init);
    if (former != nullptr) out.set_restart_count(std::max(out.restart_count(), former->restart_count()));
    *out.mutable_state() = StateOf(running, worst, finished, unknown);
    out.set_started(started && !IsTerminal(result_.status.phase()));
    out.set_ready(init && !container.sidecar() ? IsDone(out.state()) || InitDoneSomewhere(container.name())
                                               : ReadyOf(container.name(), init));
    return out;
  }

  [[nodiscard]] static bool IsDone(const v1::ContainerState& state) {
    return state.has_terminated() && state.terminated().exit_code() == 0;
  }
  [[nodiscard]] bool InitDoneSomewhere(const std::string& name) const {
    return std::any_of(instances_.begin(), instances_.end(), [&](const FleetInstance& instance) {
      const auto* one = instance.status == nullptr ? nullptr : Find(*instance.status, name, true);
      return Counts(instance) && one != nullptr && IsDone(one->state());
    });
  }
  [[nodiscard]] bool ReadyOf(const std::string& name, bool init) const {
    if (IsTerminal(result_.status.phase())) return false;
    return Enough([&](const FleetInstance& instance) {
      const auto* one = instance.status == nullptr ? nullptr : Find(*instance.status, name, init);
      return Counts(instance) && one != nullptr && one->ready();
    });
  }

  [[nodiscard]] v1::ContainerState StateOf(const v1::ContainerStatus* running,
                                           const v1::ContainerStatus* worst, std::size_t finished,
                                           bool unknown) const {
    v1::ContainerState state;
    if (running != nullptr) return running->state();
    const bool ended = worst != nullptr && worst->state().has_terminated();
    const bool may_end =
        IsTerminal(result_.status.phase()) || workload_.restart_policy() == v1::RESTART_POLICY_ALWAYS;
    if (worst != nullptr && !ended) {
      state = worst->state();
      // Where everything else is over, a host that has not begun is what is waited for.
      if (!state.has_waiting()) state.mutable_waiting()->set_reason("ContainerCreating");
      return state;
    }
    // A host that has not reported may begin: an exit with 0 elsewhere is not the worst there is.
    if (ended && may_end && (!unknown || worst->state().terminated().exit_code() != 0)) return worst->state();
    if (finished == 0 || (ended && may_end)) {
      state.mutable_waiting()->set_reason("ContainerCreating");
      return state;
    }
    state.mutable_waiting()->set_reason("FinishedOnSomeHosts");
    state.mutable_waiting()->set_message("finished on " + std::to_string(finished) + " of " +
                                         std::to_string(instances_.size()) + " hosts");
    return state;
  }

  void AddTimes() {
    v1::WorkloadStatus& status = result_.status;
    std::int64_t generation = 0;
    bool addressed = false;
    for (const FleetInstance& instance : instances_) {
      if (instance.status == nullptr) continue;
      const v1::WorkloadStatus& one = *instance.status;
      if (one.start_time() != 0 && (status.start_time() == 0 || one.start_time() < status.start_time()))
        status.set_start_time(one.start_time());
      status.set_observed_at(std::max(status.observed_at(), one.observed_at()));
      if (!Refused(instance) && one.pod_generation() != 0)
        generation = generation == 0 ? one.pod_generation() : std::min(generation, one.pod_generation());
      addressed = addressed || one.pod_ips_size() > 0;
    }
    if (former_ != nullptr) {
      generation = std::max(generation, former_->pod_generation());
      if (former_->start_time() != 0) status.set_start_time(former_->start_time());
      addressed = addressed || former_->pod_ips_size() > 0;
    }
    status.set_pod_generation(generation);
    // Only says that there is one: the API shows the pod's own.
    if (addressed) status.add_pod_ips("");
  }

  void AddConditions() {
    const bool over = IsTerminal(result_.status.phase());
    for (const char* type : {"PodReadyToStartContainers", "Initialized"}) {
      v1::Condition& condition = *result_.status.add_conditions();
      condition.set_type(type);
      condition.set_status(
          std::any_of(instances_.begin(), instances_.end(), [&](const FleetInstance& instance) {
            return instance.status != nullptr && !Refused(instance) && ConditionIs(*instance.status, type);
          }));
    }
    v1::Condition& ready = *result_.status.add_conditions();
    ready.set_type("ContainersReady");
    ready.set_status(!over && Enough(Ready));
    if (ready.status()) return;
    ready.set_reason("ContainersNotReady");
    ready.set_message("too few hosts are ready: condition slicelet.io/Fleet says which");
  }

  void ExplainFailure() {
    v1::WorkloadStatus& status = result_.status;
    if (former_ != nullptr && former_->phase() == v1::PHASE_FAILED) {
      status.set_reason(former_->reason());
      status.set_message(former_->message());
      return;
    }
    for (const FleetInstance& instance : instances_) {
      if (instance.status == nullptr || (!Refused(instance) && instance.status->phase() != v1::PHASE_FAILED))
        continue;
      const bool refused = Refused(instance);
      status.set_reason(refused ? instance.status->refused().reason() : instance.status->reason());
      const std::string& why = refused ? instance.status->refused().message() : instance.status->message();
      status.set_message("host " + instance.host.value() + (why.empty() ? " failed" : ": " + why));
      return;
    }
  }

  /// Why an instance runs with the image it had before; empty when it does not.
  [[nodiscard]] static std::string ImageTrouble(const v1::WorkloadStatus& status) {
    for (const v1::Condition& condition : status.conditions()) {
      if (condition.type() == "slicelet.io/ImagesCurrent" && !condition.status()) return condition.reason();
    }
    return "";
  }

  /// Why an instance is not as it should be; empty when it is.
  [[nodiscard]] static std::string Trouble(const FleetInstance& instance) {
    if (!instance.superseded.empty()) return "Superseded";
    if (!instance.waits.empty()) return kWaitsForPlace;
    if (instance.status == nullptr) return "";
    if (Refused(instance)) return instance.status->refused().reason();
    const v1::ContainerState* worst = nullptr;
    for (const auto* list : {&instance.status->init_containers(), &instance.status->containers()}) {
      for (const v1::ContainerStatus& container : *list) {
        const v1::ContainerState& state = container.state();
        if (Badness(state) >= 2 && (worst == nullptr || Badness(state) > Badness(*worst))) worst = &state;
      }
    }
    if (worst == nullptr)
      return instance.status->phase() == v1::PHASE_FAILED ? instance.status->reason()
                                                          : ImageTrouble(*instance.status);
    return worst->has_waiting() ? worst->waiting().reason() : worst->terminated().reason();
  }

  void Summarize() {
    std::size_t applied = 0, ready = 0, failed = 0, unreachable = 0;
    std::map<std::string, std::vector<std::string>> troubles;
    for (const FleetInstance& instance : instances_) {
      applied += instance.applied ? 1 : 0;
      ready += Ready(instance) ? 1 : 0;
      unreachable += instance.reachable ? 0 : 1;
      failed +=
          Refused(instance) || (Finished(instance) && instance.status->phase() == v1::PHASE_FAILED) ? 1 : 0;
      const std::string trouble = Trouble(instance);
      if (!trouble.empty()) troubles[trouble].push_back(instance.host.value());
    }
    v1::Condition& fleet = result_.fleet;
    fleet.set_type("slicelet.io/Fleet");
    fleet.set_status(Enough(Ready));
    fleet.set_reason(instances_.empty() ? "NoHosts"
                     : fleet.status()   ? "EnoughHostsReady"
                                        : "TooFewHostsReady");
    std::string message = "targeted " + std::to_string(instances_.size()) + ", applied " +
                          std::to_string(applied) + ", ready " + std::to_string(ready) + ", failed " +
                          std::to_string(failed) + ", unreachable " + std::to_string(unreachable);
    // Most hosts first.
    std::vector<std::pair<std::string, std::vector<std::string>>> sorted(troubles.begin(), troubles.end());
    std::sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) {
      return a.second.size() != b.second.size() ? a.second.size() > b.second.size() : a.first < b.first;
    });
    if (sorted.size() > kShownReasons) sorted.resize(kShownReasons);
    for (const auto& [reason, hosts] : sorted) {
      message += "; " + std::to_string(hosts.size()) + "/" + std::to_string(instances_.size()) +
                 " hosts: " + reason + " (" + Names(hosts) + ")";
    }
    if (!undecided_.empty()) {
      std::vector<std::string> hosts;
      hosts.reserve(undecided_.size());
      for (const HostId& host : undecided_) hosts.push_back(host.value());
      message += "; it may run on hosts not heard since the hub started: " + Names(hosts);
    }
    fleet.set_message(message);
  }

  void Place() {
    v1::Condition& placed = result_.placed;
    placed.set_type("slicelet.io/Placed");
    placed.set_status(true);
    placed.set_reason("Placed");
    const bool somewhere =
        std::any_of(instances_.begin(), instances_.end(),
                    [](const FleetInstance& instance) { return Counts(instance) && instance.waits.empty(); });
    if (instances_.empty()) {
      placed.set_status(false);
      placed.set_reason("NoHostMatches");
      placed.set_message(
          "no host of node " + node_ + " matches the target condition \"" + terms_.condition.text() + "\"" +
          (terms_.placement == FleetTerms::Placement::kAll ? "" : ", has room and is reachable"));
      return;
    }
    std::map<std::string, std::vector<std::string>> reasons;
    std::map<std::string, std::string> examples;
    for (const FleetInstance& instance : instances_) {
      const bool waits = instance.superseded.empty() && !instance.waits.empty();
      // Elsewhere it runs: condition slicelet.io/Fleet says where it does not.
      if (somewhere && !waits) continue;
      const std::string reason = !instance.superseded.empty() ? "Superseded"
                                 : waits                      ? kWaitsForPlace
                                                              : instance.status->refused().reason();
      reasons[reason].push_back(instance.host.value());
      examples.emplace(reason, !instance.superseded.empty() ? instance.superseded
                               : waits                      ? instance.waits
                                                            : instance.status->refused().message());
    }
    if (!somewhere) {
      placed.set_status(false);
      placed.set_reason(reasons.size() == 1 ? reasons.begin()->first : "NoHostTakesIt");
    }
    std::string message;
    for (const auto& [reason, hosts] : reasons) {
      message += (message.empty() ? "" : "; ") + std::to_string(hosts.size()) + "/" +
                 std::to_string(instances_.size()) + " hosts: " + reason + " (" + Names(hosts) +
                 "): " + examples[reason];
    }
    placed.set_message(message);
  }

  const v1::Workload& workload_;
  const FleetTerms& terms_;
  const std::string& node_;
  const std::vector<FleetInstance>& instances_;
  const std::vector<HostId>& undecided_;
  const v1::WorkloadStatus* former_;
  std::size_t reachable_ = 0;
  FleetStatus result_;
};

}  // namespace

FleetStatus Aggregate(const v1::Workload& workload, const FleetTerms& terms, const std::string& node,
                      const std::vector<FleetInstance>& instances, const std::vector<HostId>& undecided,
                      const v1::WorkloadStatus* former) {
  return Aggregation(workload, terms, node, instances, undecided, former).Run();
}

bool IsOverSomewhere(const std::vector<FleetInstance>& instances) {
  return std::any_of(instances.begin(), instances.end(), Finished);
}

}  // namespace slicelet::provider
