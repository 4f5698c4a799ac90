#include "provider/controllers/plan.h"

#include <algorithm>
#include <utility>

#include "kube/object.h"
#include "kube/paths.h"

namespace slicelet::provider {
namespace {

constexpr std::size_t kMaxStepMessage = 1'024;
constexpr std::size_t kMaxConditionMessage = 4'096;

/// The entry of a list whose member `key` is `value`, or null.
const Json* EntryOf(const Json* list, const char* key, const std::string& value) {
  if (list == nullptr || !list->is_array()) return nullptr;
  for (const Json& entry : *list) {
    if (kube::TextAt(entry, {key}) == value) return &entry;
  }
  return nullptr;
}

std::vector<std::string> FinalizersOf(const Json& object) {
  std::vector<std::string> names;
  const Json* list = kube::Find(object, {"metadata", "finalizers"});
  if (list == nullptr || !list->is_array()) return names;
  for (const Json& name : *list) {
    if (name.is_string()) names.push_back(name.get<std::string>());
  }
  return names;
}

/// The precondition is the version: others may add finalizers of their own at the same time.
Write PatchFinalizers(const kube::Resource& kind, const Json& object, const std::vector<std::string>& names) {
  Write write = MergePatch(kind, object, {{"metadata", {{"finalizers", names}}}});
  write.body["metadata"]["resourceVersion"] = kube::ResourceVersionOf(object);
  return write;
}

}  // namespace

Plan::Plan(const Json& object, const Failure* failure, WallTime now)
    : object_(object), failure_(failure), now_(now) {}

void Plan::Stop(const std::string& reason, const std::string& message, bool failed) {
  if (stopped_) return;
  stopped_ = true;
  failed_ = failed;
  finding_ = {reason, message};
}

void Plan::AddStep(const std::string& name, const std::string& state, const std::string& message) {
  const Json* former = EntryOf(kube::Find(object_, {"status", "steps"}), "name", name);
  const bool same = former != nullptr && kube::TextAt(*former, {"state"}) == state;
  Json step = {{"name", name},
               {"state", state},
               {"time", same ? kube::TextAt(*former, {"time"}) : FormatTime(now_)},
               {"message", message.substr(0, kMaxStepMessage)}};
  // Undone in reverse, shown in order.
  steps_.insert(undoing_ ? steps_.begin() : steps_.end(), std::move(step));
}

void Plan::Check(const std::optional<Finding>& problem) {
  if (stopped_ || !problem) return;
  Stop(problem->reason, problem->message, true);
  AddStep("Checks", "Failed", problem->message);
}

void Plan::Hold(const kube::Resource& kind) {
  if (steps_.empty()) AddStep("Checks", "Done", "");
  if (stopped_) return;
  std::vector<std::string> names = FinalizersOf(object_);
  if (std::find(names.begin(), names.end(), kFinalizer) != names.end()) return;
  names.emplace_back(kFinalizer);
  write_ = PatchFinalizers(kind, object_, names);
  Stop("Progressing", "begins", false);
}

void Plan::Make(const std::string& step, bool done, const std::string& message,
                const std::function<Write()>& write) {
  if (stopped_) return AddStep(step, "Pending", "");
  if (done) return AddStep(step, "Done", message);
  write_ = write();
  write_->step = step;
  if (failure_ != nullptr && failure_->step == step) {
    AddStep(step, "Failed", Message(failure_->status));
    return Stop(step + "Failed", Message(failure_->status), true);
  }
  AddStep(step, "Running", "");
  Stop("Progressing", step + " is being made", false);
}

void Plan::Await(const std::string& step, bool done, const std::string& message, const std::string& reason) {
  if (stopped_) return AddStep(step, "Pending", "");
  AddStep(step, done ? "Done" : "Running", message);
  if (!done) Stop(reason, message, false);
}

void Plan::Guard(const std::optional<Finding>& in_use) {
  if (in_use) Stop(in_use->reason, in_use->message, true);
}

void Plan::Unmake(const std::string& step, const kube::Resource& kind, const Json* made,
                  const std::string& cluster) {
  undoing_ = true;
  if (stopped_) return AddStep(step, made == nullptr ? "Undone" : "Done", "");
  if (made == nullptr) return AddStep(step, "Undone", "");
  if (!kube::BeingDeleted(*made)) {
    write_ = DeleteOf(kind, *made);
    write_->step = step;
    write_->cluster = cluster;
  }
  if (failure_ != nullptr && failure_->step == step) {
    AddStep(step, "Failed", Message(failure_->status));
    return Stop(step + "NotUndone", Message(failure_->status), true);
  }
  AddStep(step, "Running", "is being undone");
  Stop("Terminating", step + " is being undone", false);
}

void Plan::UnmakeUnread(const std::string& step, bool removed, const Write& remove) {
  undoing_ = true;
  if (stopped_) return AddStep(step, "Done", "");
  if (removed) return AddStep(step, "Undone", "");
  write_ = remove;
  write_->step = UndoOf(step);
  if (failure_ != nullptr && failure_->step == write_->step) {
    AddStep(step, "Failed", Message(failure_->status));
    return Stop(step + "NotUndone", Message(failure_->status), true);
  }
  AddStep(step, "Running", "is being undone");
  Stop("Terminating", step + " is being undone", false);
}

void Plan::AwaitUndone(const std::string& step, bool undone, const std::string& message) {
  undoing_ = true;
  if (undone) return AddStep(step, "Undone", "");
  AddStep(step, stopped_ ? "Done" : "Running", message);
  Stop("Terminating", message, false);
}

void Plan::Release(const kube::Resource& kind) {
  if (stopped_) return;
  std::vector<std::string> names = FinalizersOf(object_);
  names.erase(std::remove(names.begin(), names.end(), kFinalizer), names.end());
  write_ = PatchFinalizers(kind, object_, names);
  Stop("Terminating", "everything is undone", false);
}

bool Plan::WasDone(const std::string& step) const {
  const Json* former = EntryOf(kube::Find(object_, {"status", "steps"}), "name", step);
  return former != nullptr && kube::TextAt(*former, {"state"}) == "Done";
}

void Plan::Condition(const std::string& type, const std::string& status, const Finding& finding) {
  const Json* former = EntryOf(kube::Find(object_, {"status", "conditions"}), "type", type);
  const bool same = former != nullptr && kube::TextAt(*former, {"status"}) == status;
  conditions_.push_back(
      {{"type", type},
       {"status", status},
       {"reason", finding.reason},
       {"message", finding.message.substr(0, kMaxConditionMessage)},
       {"observedGeneration", kube::IntegerAt(object_, {"metadata", "generation"}, 0)},
       {"lastTransitionTime", same ? kube::TextAt(*former, {"lastTransitionTime"}) : FormatTime(now_)}});
}

std::string Plan::now() const { return FormatTime(now_); }

void Plan::Again(Duration delay) {
  if (!again_ || delay < *again_) again_ = delay;
}

Outcome Plan::Finish(const std::string& phase, const Finding& ready) {
  Condition("Ready", stopped_ ? "False" : "True", stopped_ ? finding_ : ready);
  status_["observedGeneration"] = kube::IntegerAt(object_, {"metadata", "generation"}, 0);
  status_["phase"] = phase;
  status_["steps"] = std::move(steps_);
  status_["conditions"] = std::move(conditions_);
  return {std::move(write_), std::move(status_), again_};
}

Write CreateOwned(const kube::Resource& kind, const std::string& ns, const std::string& name, Json object,
                  const kube::Resource& owner_kind, const Json& owner) {
  object["metadata"]["ownerReferences"] = Json::array({Json({{"apiVersion", kube::ApiVersion(owner_kind)},
                                                             {"kind", owner_kind.kind},
                                                             {"name", kube::NameOf(owner)},
                                                             {"uid", kube::UidOf(owner)},
                                                             {"controller", true}})});
  return {.verb = Write::Verb::kCreate, .ref = {kind, ns, name, ""}, .body = std::move(object)};
}

Write MergePatch(const kube::Resource& kind, const Json& object, Json patch) {
  // The uid makes sure that another object under the same name is left alone.
  patch["metadata"]["uid"] = kube::UidOf(object);
  return {.verb = Write::Verb::kPatch,
          .ref = {kind, kube::NamespaceOf(object), kube::NameOf(object), ""},
          .body = std::move(patch)};
}

Write DeleteOf(const kube::Resource& kind, const Json& object) {
  return {.verb = Write::Verb::kDelete,
          .ref = {kind, kube::NamespaceOf(object), kube::NameOf(object), ""},
          .uid = kube::UidOf(object)};
}

bool GivenUp(const Json& object) {
  return kube::TextAt(object, {"metadata", "annotations", kGiveUp}) == "true";
}

}  // namespace slicelet::provider
