#include "tests/sim/truth.h"

#include <nlohmann/json.hpp>
#include <set>

#include "kube/object.h"

namespace slicelet::sim {

using kube::Json;

namespace {

bool IsTerminal(const std::string& phase) { return phase == "Succeeded" || phase == "Failed"; }

}  // namespace

Truth::Truth(
    kube::MemoryApiServer& api, Story& story,
    std::function<std::map<std::string, std::string>(const std::string&, const std::string&)> running)
    : api_(api), story_(story), running_(std::move(running)) {
  const std::string pods = kube::MemoryCluster::CollectionKey(kube::kPods);
  api_.cluster().AddListener([this, pods](const std::string& collection) { changed_ |= collection == pods; });
}

void Truth::Created(Pod pod) {
  pod.in_api = true;
  const std::string uid = pod.uid;
  pods_[uid] = std::move(pod);
}

void Truth::DeletionAsked(const std::string& uid, bool forced) {
  Pod& pod = pods_.at(uid);
  pod.deleting = true;
  pod.forced |= forced;
}

void Truth::ImageChanged(const std::string& uid, const std::string& container, const std::string& image) {
  Pod& pod = pods_.at(uid);
  pod.images[container] = image;
  ++pod.changes[container];
}

void Truth::OperatorRemoved(const std::string& uid) {
  const auto it = pods_.find(uid);
  if (it != pods_.end()) it->second.deleting = true;
}

void Truth::Restored() {
  restored_ = true;
  std::map<std::string, kube::StoredObject> shown;
  for (const auto& object : api_.cluster().All(kube::kPods)) shown[kube::UidOf(*object)] = object;
  for (auto& [uid, pod] : pods_) {
    const auto it = shown.find(uid);
    pod.restarts.clear();
    if (it == shown.end()) {
      // Removal that had begun goes on; everything else was lost without evidence.
      pod.lost = pod.in_api && !pod.deleting;
      pod.in_api = false;
      continue;
    }
    pod.in_api = true;
    pod.phase = kube::TextAt(*it->second, {"status", "phase"});
    if (pod.deleting && !kube::BeingDeleted(*it->second)) {
      // The user's deletion is undone; what the host has done already can not be.
      pod.returned = pod.begins_anew = true;
      pod.deleting = false;
      pod.forced = false;
    }
    for (const Json& container : it->second->at("spec").at("containers")) {
      std::string& image = pod.images[container.at("name")];
      if (image != container.at("image").get<std::string>()) ++pod.changes[container.at("name")];
      image = container.at("image");
    }
  }
  changed_ = true;
}

const Truth::Pod* Truth::Find(const std::string& uid) const {
  const auto it = pods_.find(uid);
  return it == pods_.end() ? nullptr : &it->second;
}

void Truth::CheckApi() {
  if (!changed_) return;
  changed_ = false;
  std::set<std::string> shown;
  for (const auto& object : api_.cluster().All(kube::kPods)) {
    shown.insert(kube::UidOf(*object));
    CheckPod(*object);
  }
  for (auto& [uid, pod] : pods_) {
    if (!pod.in_api || shown.contains(uid)) continue;
    pod.in_api = false;
    story_.Tell("api: pod " + pod.name + " is gone");
    if (!pod.deleting)
      story_.Violate("the object of pod " + pod.name + " (" + uid + ") went although nobody deleted it");
    const auto running = running_(pod.node, uid);
    if (!pod.forced && !running.empty()) {
      story_.Violate("the object of pod " + pod.name + " (" + uid + ") went while container " +
                     running.begin()->first + " still ran on " + pod.node);
    }
  }
}

void Truth::CheckPod(const Json& object) {
  const auto it = pods_.find(kube::UidOf(object));
  if (it == pods_.end()) return;
  Pod& pod = it->second;
  const std::string phase = kube::TextAt(object, {"status", "phase"});
  if (phase != pod.phase) {
    story_.Tell("api: pod " + pod.name + " " + (pod.phase.empty() ? "created" : pod.phase) + " -> " + phase);
    // A pod that came back with a restore after its removal begins anew.
    const bool anew = std::exchange(pod.begins_anew, false);
    if (!anew && (IsTerminal(pod.phase) || (pod.phase == "Running" && phase == "Pending"))) {
      story_.Violate("pod " + pod.name + " (" + pod.uid + ") went from " + pod.phase + " back to " + phase);
    }
    pod.phase = phase;
  }
  for (const char* list : {"containerStatuses", "initContainerStatuses"}) {
    const Json* statuses = kube::Find(object, {"status", list});
    if (statuses == nullptr) continue;
    for (const Json& status : *statuses) {
      const std::int64_t count = status.value("restartCount", 0);
      std::int64_t& highest = pod.restarts[status.value("name", "")];
      if (count < highest) {
        story_.Violate("restartCount of " + pod.name + "/" + status.value("name", "") + " fell from " +
                       std::to_string(highest) + " to " + std::to_string(count));
      }
      highest = count;
    }
  }
}

void Truth::CheckStop(const std::string& host, const std::string& uid, const std::string& container,
                      const std::string& container_id, const std::string& image) {
  const auto it = pods_.find(uid);
  if (it == pods_.end() || may_stop_.contains(host + container_id)) return;
  Pod& pod = it->second;
  const auto wanted = pod.images.find(container);
  const bool other_image = wanted != pod.images.end() && wanted->second != image;
  if (pod.deleting || pod.returned || pod.outcome != Outcome::kRuns || other_image ||
      pod.changes[container] > 0) {
    // A changed image is the one reason to restart, and each change is a reason once.
    if (!pod.deleting && !pod.returned && !other_image) --pod.changes[container];
    may_stop_.insert(host + container_id);
    return;
  }
  story_.Violate(host + " stops container " + container + " of pod " + pod.name + " (" + uid +
                 ") without evidence of deletion" + (pod.lost ? "; the API server had lost the pod" : ""));
}

void Truth::CheckStart(const std::string& host, const std::string& uid, const std::string& container,
                       int earlier_starts, bool earlier_success) {
  const Pod* pod = Find(uid);
  if (pod == nullptr || pod->returned || earlier_starts == 0) return;
  if (pod->policy == "Never" || (pod->policy == "OnFailure" && earlier_success)) {
    story_.Violate(host + " starts container " + container + " of pod " + pod->name + " (" + uid +
                   ") again, although its restart policy is " + pod->policy +
                   (earlier_success ? " and it had succeeded" : ""));
  }
}

void Truth::CheckStatusWrite(const kube::KubeCall& call, const absl::Status& outcome) {
  if (call.ref.resource != kube::kPods || call.ref.subresource != "status") return;
  if (!absl::IsFailedPrecondition(outcome) && !absl::IsInvalidArgument(outcome)) return;
  const auto object = api_.cluster().Peek(kube::kPods, call.ref.ns, call.ref.name);
  // Another pod of this name: the precondition did its work.
  if (object != nullptr && call.body != nullptr &&
      kube::UidOf(*object) != kube::TextAt(*call.body, {"metadata", "uid"})) {
    return;
  }
  // After a restore the server's state may be behind what the host has long done.
  if (restored_) return;
  story_.Violate("the API server refuses the status of pod " + call.ref.name + ": " + Message(outcome));
}

}  // namespace slicelet::sim
