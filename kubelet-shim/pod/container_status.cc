#include "kubelet-shim/pod/container_status.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "common/base/time.h"
#include "kube/object.h"

namespace slicelet::shim {
namespace {

using Json = nlohmann::json;
using kube::Find;
using kube::TextAt;

const Json* ByName(const Json& owner, std::initializer_list<std::string_view> path, const std::string& name) {
  const Json* list = Find(owner, path);
  if (list == nullptr || !list->is_array()) return nullptr;
  for (const Json& element : *list) {
    if (TextAt(element, {"name"}) == name) return &element;
  }
  return nullptr;
}

void SetText(Json& object, const char* member, const std::string& value) {
  if (!value.empty()) object[member] = value;
}

Json Time(std::int64_t nanos) { return nanos == 0 ? Json() : Json(FormatTime(FromUnixNanos(nanos))); }

Json StateOf(const v1::ContainerState& state) {
  Json result = Json::object();
  switch (state.state_case()) {
    case v1::ContainerState::kWaiting: {
      Json& waiting = result["waiting"] = Json::object();
      SetText(waiting, "reason", state.waiting().reason());
      SetText(waiting, "message", state.waiting().message());
      break;
    }
    case v1::ContainerState::kRunning:
      result["running"] = {{"startedAt", Time(state.running().started_at())}};
      break;
    case v1::ContainerState::kTerminated: {
      const auto& terminated = state.terminated();
      Json& into = result["terminated"] = {{"exitCode", terminated.exit_code()},
                                           {"startedAt", Time(terminated.started_at())},
                                           {"finishedAt", Time(terminated.finished_at())}};
      if (terminated.signal() != 0) into["signal"] = terminated.signal();
      SetText(into, "reason", terminated.reason());
      SetText(into, "message", terminated.message());
      SetText(into, "containerID", terminated.container_id());
      break;
    }
    case v1::ContainerState::STATE_NOT_SET:
      break;
  }
  return result;
}

Json Waiting(const std::string& reason, const std::string& message) {
  Json waiting = {{"reason", reason}};
  SetText(waiting, "message", message);
  return {{"waiting", std::move(waiting)}};
}

/// The API server refuses to let a terminated container start again unless its policy says so.
bool MayLeaveTerminated(const Json& pod, const Json& container, bool init, const Json& before) {
  const Json* terminated = Find(before, {"state", "terminated"});
  if (terminated == nullptr || !terminated->is_object()) return true;
  if (TextAt(container, {"restartPolicy"}) == "Always" && init) return true;
  const std::string policy = TextAt(pod, {"spec", "restartPolicy"});
  if (policy == "OnFailure") return kube::IntegerAt(*terminated, {"exitCode"}, 0) != 0;
  return policy != "Never";
}

class Composer {
 public:
  Composer(const Json& pod, bool init, const ContainerStatusRules& rules)
      : pod_(pod),
        init_(init),
        rules_(rules),
        list_(init ? "initContainerStatuses" : "containerStatuses"),
        default_reason_(Find(pod,
                             {
                                 "spec",
                                 "initContainers",
                             }) != nullptr &&
                                !Find(pod, {"spec", "initContainers"})->empty()
                            ? "PodInitializing"
                            : "ContainerCreating") {}

  Json One(const Json& container, const v1::ContainerStatus* reported) const {
    const std::string name = TextAt(container, {"name"});
    const Json* before = ByName(pod_, {"status", list_}, name);
    Json status = reported != nullptr ? FromReport(*reported) : Default(name);
    if (TextAt(status, {"image"}).empty()) status["image"] = TextAt(container, {"image"});
    if (rules_.gone) Terminate(status);
    if (before == nullptr) return status;
    if (!MayLeaveTerminated(pod_, container, init_, *before) &&
        Find(status, {"state", "terminated"}) == nullptr) {
      return *before;
    }
    const std::int64_t restarts = kube::IntegerAt(*before, {"restartCount"}, 0);
    if (restarts > status["restartCount"].get<std::int64_t>()) status["restartCount"] = restarts;
    return status;
  }

 private:
  Json Default(const std::string& name) const {
    Json state = Waiting(default_reason_, "");
    if (rules_.config_errors != nullptr) {
      const auto error = rules_.config_errors->find(name);
      if (error != rules_.config_errors->end()) state = Waiting("CreateContainerConfigError", error->second);
    }
    return {{"name", name},
            {"image", ""},
            {"imageID", ""},
            {"restartCount", 0},
            {"ready", false},
            {"started", false},
            {"state", std::move(state)},
            {"lastState", Json::object()}};
  }

  Json FromReport(const v1::ContainerStatus& reported) const {
    Json status = {{"name", reported.name()},
                   {"image", reported.image()},
                   {"imageID", reported.image_id()},
                   {"restartCount", reported.restart_count()},
                   {"ready", reported.ready()},
                   {"started", reported.started()},
                   {"state", StateOf(reported.state())},
                   {"lastState", StateOf(reported.last_state())}};
    SetText(status, "containerID", reported.container_id());
    if (status["state"].empty()) status["state"] = Waiting(default_reason_, "");
    return status;
  }

  /// What ran when its pod went, and was not seen to stop, was lost. What never started stays as it is.
  static void Terminate(Json& status) {
    status["ready"] = false;
    status["started"] = false;
    const Json* running = Find(status, {"state", "running"});
    const bool restarting = Find(status, {"state", "waiting"}) != nullptr && !status["lastState"].empty();
    if (running == nullptr && !restarting) return;
    if (restarting) {
      status["state"] = status["lastState"];
      status["lastState"] = Json::object();
      return;
    }
    Json terminated = {{"exitCode", 137},
                       {"reason", "ContainerStatusUnknown"},
                       {"message", "The container could not be located when the pod was terminated"},
                       {"startedAt", running->value("startedAt", Json())},
                       {"finishedAt", Json()}};
    SetText(terminated, "containerID", TextAt(status, {"containerID"}));
    status["state"] = {{"terminated", std::move(terminated)}};
  }

  const Json& pod_;
  const bool init_;
  const ContainerStatusRules& rules_;
  const char* list_;
  const char* default_reason_;
};

}  // namespace

Json ComposeContainerStatuses(const Json& pod, bool init,
                              const google::protobuf::RepeatedPtrField<v1::ContainerStatus>& reported,
                              const ContainerStatusRules& rules) {
  Json result = Json::array();
  const Json* containers = Find(pod, {"spec", init ? "initContainers" : "containers"});
  if (containers == nullptr || !containers->is_array()) return result;
  const Composer composer(pod, init, rules);
  for (const Json& container : *containers) {
    const std::string name = TextAt(container, {"name"});
    const v1::ContainerStatus* found = nullptr;
    for (const auto& status : reported) {
      if (status.name() == name) found = &status;
    }
    result.push_back(composer.One(container, found));
  }
  if (!init) {
    std::sort(result.begin(), result.end(),
              [](const Json& a, const Json& b) { return TextAt(a, {"name"}) < TextAt(b, {"name"}); });
  }
  return result;
}

}  // namespace slicelet::shim
