#include "cli/pod_summary.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "cli/table.h"
#include "common/json/json.h"
#include "kube/object.h"

namespace slicelet::cli {
namespace {

/// "Error", or how it ended where it does not say why: "Signal:9", "ExitCode:3".
std::string WhyTerminated(const Json& terminated) {
  std::string reason = GetString(terminated, "/reason");
  if (!reason.empty()) return reason;
  const auto signal = GetInt(terminated, "/signal");
  return signal != 0 ? "Signal:" + std::to_string(signal)
                     : "ExitCode:" + std::to_string(GetInt(terminated, "/exitCode"));
}

class Summarizer {
 public:
  explicit Summarizer(const Json& pod) : pod_(pod) {
    for (const Json& container : GetArray(pod, "/spec/initContainers")) {
      if (GetString(container, "/restartPolicy") == "Always") sidecars_.insert(GetString(container, "/name"));
    }
  }

  PodSummary Take(WallTime now) {
    result_.containers =
        static_cast<int>(GetArray(pod_, "/spec/containers").size()) + static_cast<int>(sidecars_.size());
    result_.state = GetString(pod_, "/status/reason", GetString(pod_, "/status/phase", "Pending"));
    const std::optional<std::string> initializing = Initializing();
    if (initializing) result_.state = *initializing;
    if (!initializing || kube::ConditionStatus(pod_, "Initialized") == "True") {
      // What init containers went through no longer counts.
      restarts_ = sidecar_restarts_;
      AddContainers();
    }
    if (FindJson(pod_, "/metadata/deletionTimestamp") != nullptr) {
      const std::string phase = GetString(pod_, "/status/phase");
      if (GetString(pod_, "/status/reason") == "NodeLost") {
        result_.state = "Unknown";
      } else if (phase != "Succeeded" && phase != "Failed") {
        result_.state = "Terminating";
      }
    }
    result_.restarts = std::to_string(restarts_);
    if (restarts_ > 0 && !last_restart_.empty()) {
      result_.restarts += " (" + FormatAge(last_restart_, now) + " ago)";
    }
    return result_;
  }

 private:
  void CountRestarts(const Json& status) {
    restarts_ += GetInt(status, "/restartCount");
    // Times of one form: the latest text is the latest time.
    last_restart_ = std::max(last_restart_, GetString(status, "/lastState/terminated/finishedAt"));
  }

  /// The state of the first init container that is not done; nullopt when all are.
  std::optional<std::string> Initializing() {
    int done = 0;
    for (const Json& status : GetArray(pod_, "/status/initContainerStatuses")) {
      CountRestarts(status);
      const bool sidecar = sidecars_.count(GetString(status, "/name")) != 0;
      if (sidecar) sidecar_restarts_ += GetInt(status, "/restartCount");
      const Json* terminated = FindJson(status, "/state/terminated");
      const std::string waiting = GetString(status, "/state/waiting/reason");
      if (terminated != nullptr && GetInt(*terminated, "/exitCode") == 0) {
        ++done;
      } else if (sidecar && GetBool(status, "/started")) {
        ++done;
        if (GetBool(status, "/ready")) ++result_.ready;
      } else if (terminated != nullptr) {
        return "Init:" + WhyTerminated(*terminated);
      } else if (!waiting.empty() && waiting != "PodInitializing") {
        return "Init:" + waiting;
      } else {
        return "Init:" + std::to_string(done) + "/" +
               std::to_string(GetArray(pod_, "/spec/initContainers").size());
      }
    }
    return std::nullopt;
  }

  void AddContainers() {
    bool running = false;
    std::string reason;
    for (const Json& status : GetArray(pod_, "/status/containerStatuses")) {
      CountRestarts(status);
      const std::string waiting = GetString(status, "/state/waiting/reason");
      const Json* terminated = FindJson(status, "/state/terminated");
      if (!waiting.empty()) {
        // The first container's reason counts.
        if (reason.empty()) reason = waiting;
      } else if (terminated != nullptr) {
        if (reason.empty()) reason = WhyTerminated(*terminated);
      } else if (GetBool(status, "/ready") && FindJson(status, "/state/running") != nullptr) {
        running = true;
        ++result_.ready;
      }
    }
    if (!reason.empty()) result_.state = reason;
    // One that finished beside one that runs.
    if (result_.state == "Completed" && running) {
      result_.state = kube::ConditionStatus(pod_, "Ready") == "True" ? "Running" : "NotReady";
    }
  }

  const Json& pod_;
  std::set<std::string> sidecars_;
  PodSummary result_;
  std::int64_t restarts_ = 0;
  std::int64_t sidecar_restarts_ = 0;
  std::string last_restart_;
};

}  // namespace

PodSummary SummarizePod(const Json& pod, WallTime now) { return Summarizer(pod).Take(now); }

}  // namespace slicelet::cli
