#include "tests/sim/truth.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "kube/object.h"
#include "tests/sim/fleet.h"

namespace slicelet::sim {

using kube::Json;

namespace {

bool IsTerminal(const std::string& phase) { return phase == "Succeeded" || phase == "Failed"; }

}  // namespace

Truth::Truth(kube::MemoryApiServer& api, Story& story, std::vector<std::string> hosts, Witnesses witnesses)
    : api_(api), story_(story), hosts_(std::move(hosts)), witnesses_(std::move(witnesses)) {
  const std::string pods = kube::MemoryCluster::CollectionKey(kube::kPods);
  api_.cluster().AddListener([this, pods](const std::string& collection) { changed_ |= collection == pods; });
}

void Truth::Created(Pod pod) {
  pod.in_api = true;
  // Another uid under its name is evidence: the pod of that name which only the API server forgot may go.
  for (auto& [former, one] : pods_) one.deleting |= one.lost && one.ns == pod.ns && one.name == pod.name;
  const std::string uid = pod.uid;
  pods_[uid] = std::move(pod);
  TagsChanged();
}

void Truth::DeletionAsked(const std::string& uid, bool forced, MonotonicTime now) {
  Pod& pod = pods_.at(uid);
  pod.deleting = true;
  pod.deletion_asked = now;
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
    pod.exits.clear();
    if (it == shown.end()) {
      // Removal that had begun goes on; everything else was lost without evidence, now or by an earlier
      // restore.
      pod.lost = (pod.in_api || pod.lost) && !pod.deleting;
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
  TagsChanged();
}

void Truth::TagsChanged() {
  for (auto& [uid, pod] : pods_) {
    if (!pod.fleet) continue;
    for (const std::string& host : hosts_) {
      if (!Matches(pod, host)) pod.fleet->withdrawn.insert(host);
    }
  }
}

void Truth::PlacementsLost() {
  hub_forgot_ = true;
  for (auto& [uid, pod] : pods_) {
    if (pod.fleet) pod.fleet->forgotten = true;
    if (pod.fleet && pod.fleet->chosen) pod.fleet->withdrawn.insert(hosts_.begin(), hosts_.end());
  }
}

bool Truth::Matches(const Pod& pod, const std::string& host) const {
  if (!pod.fleet) return pod.node == host;
  const auto object = api_.cluster().Peek(kube::kEdgeHosts, "slicelet", host);
  return object != nullptr && FleetConditions()[pod.fleet->condition].matches(host, TagsOf(*object));
}

std::vector<std::string> Truth::HostsOf(const Pod& pod) const {
  return pod.fleet ? hosts_ : std::vector<std::string>{pod.node};
}

namespace {

/// Of two pods with the same claim, whether `a` has it. Between ports the older one wins, between base
/// deployments the newer one.
bool Precedes(const kube::MemoryCluster& cluster, const Truth::Pod& a, const Truth::Pod& b) {
  if (a.fleet->priority != b.fleet->priority) return a.fleet->priority > b.fleet->priority;
  const auto created = [&cluster](const Truth::Pod& pod) {
    const auto object = cluster.Peek(kube::kPods, pod.ns, pod.name);
    return object == nullptr ? std::string() : kube::TextAt(*object, {"metadata", "creationTimestamp"});
  };
  const std::string first = created(a), second = created(b);
  if (first != second) return (first < second) == (a.fleet->claim == Truth::Fleet::Claim::kPort);
  return a.uid < b.uid;
}

}  // namespace

Truth::Standing Truth::StandingOf(const Pod& pod, const std::string& host) const {
  if (!pod.fleet || pod.fleet->claim == Fleet::Claim::kNone) return Standing::kWins;
  Standing standing = Standing::kWins;
  for (const auto& [uid, other] : pods_) {
    if (uid == pod.uid || !other.fleet) continue;
    const bool competes = other.fleet->claim == pod.fleet->claim;
    // What only the API server forgot is still in the way, also where its condition, which a restarted hub
    // does not know, has ceased to match.
    if (competes && other.lost && !other.deleting) return Standing::kUnclear;
    // So is what was deleted unseen while it was held, and, to a hub that lost its store and with it what
    // ports a pod has, any that nobody lists: as long as the host's manifest holds it.
    const bool in_doubt = competes || (hub_forgot_ && pod.fleet->claim == Fleet::Claim::kPort);
    if (in_doubt && !other.in_api && witnesses_.holds(host, uid)) return Standing::kUnclear;
    if (!competes || !Matches(other, host)) continue;
    if (!other.in_api || other.deleting) continue;
    if (other.returned || pod.returned) return Standing::kUnclear;
    if (Precedes(api_.cluster(), other, pod)) standing = Standing::kLoses;
  }
  return standing;
}

bool Truth::MayBeOusted(const Pod& pod) const {
  if (!pod.fleet || pod.fleet->claim == Fleet::Claim::kNone) return false;
  return std::any_of(pods_.begin(), pods_.end(), [&pod](const auto& entry) {
    return entry.first != pod.uid && entry.second.fleet && entry.second.fleet->claim == pod.fleet->claim &&
           entry.second.fleet->priority >= pod.fleet->priority;
  });
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
    CheckGone(pod);
  }
}

void Truth::CheckGone(const Pod& pod) {
  const std::string who = "the object of pod " + pod.name + " (" + pod.uid + ")";
  if (!pod.deleting) story_.Violate(who + " went although nobody deleted it");
  if (pod.forced) return;
  for (const std::string& host : HostsOf(pod)) {
    const auto running = witnesses_.running(host, pod.uid);
    // A fleet's pod does not wait for hosts that are away: tombstones wait for them.
    if (running.empty() || (pod.fleet && witnesses_.was_away(host, pod.deletion_asked))) continue;
    std::string violation = who;
    violation += " went while container " + running.begin()->first + " still ran on " + host;
    story_.Violate(violation);
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
  CheckContainers(pod, object);
}

void Truth::CheckContainers(Pod& pod, const Json& object) {
  for (const char* list : {"containerStatuses", "initContainerStatuses"}) {
    const Json* statuses = kube::Find(object, {"status", list});
    if (statuses == nullptr) continue;
    for (const Json& status : *statuses) {
      const std::string name = status.value("name", "");
      const std::int64_t count = status.value("restartCount", 0);
      std::int64_t& highest = pod.restarts[name];
      if (count < highest) {
        story_.Violate("restartCount of " + pod.name + "/" + name + " fell from " + std::to_string(highest) +
                       " to " + std::to_string(count));
      }
      highest = count;
      // As the API server's own validation has it.
      const Json* terminated = kube::Find(status, {"state", "terminated"});
      const auto former = pod.exits.find(name);
      if (terminated == nullptr && former != pod.exits.end() && pod.policy != "Always" &&
          (pod.policy == "Never" || former->second == 0) && !pod.returned) {
        story_.Violate("a real API server would refuse the status of " + pod.name + " (" + pod.uid +
                       "): container " + name + " was terminated and is not any more");
      }
      if (terminated == nullptr)
        pod.exits.erase(name);
      else
        pod.exits[name] = terminated->value("exitCode", 0);
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
  int& used = pod.used[host + "/" + container];
  const bool withdrawn = pod.fleet && (pod.fleet->withdrawn.contains(host) || MayBeOusted(pod));
  if (pod.deleting || pod.returned || pod.outcome != Outcome::kRuns || withdrawn || other_image ||
      used < pod.changes[container]) {
    // A changed image is the one reason to restart, and each change is a reason once on each host.
    if (!pod.deleting && !pod.returned && !withdrawn && !other_image) ++used;
    may_stop_.insert(host + container_id);
    return;
  }
  story_.Violate(host + " stops container " + container + " of pod " + pod.name + " (" + uid +
                 ") without evidence of deletion" + (pod.lost ? "; the API server had lost the pod" : ""));
}

void Truth::CheckStart(const std::string& host, const std::string& uid, const std::string& container,
                       int earlier_starts, bool earlier_success) {
  const Pod* pod = Find(uid);
  if (pod == nullptr || pod->returned) return;
  if (pod->fleet) CheckFleetStart(host, *pod);
  if (earlier_starts == 0 || (pod->fleet && pod->fleet->withdrawn.contains(host))) return;
  if (pod->policy == "Never" || (pod->policy == "OnFailure" && earlier_success)) {
    story_.Violate(host + " starts container " + container + " of pod " + pod->name + " (" + uid +
                   ") again, although its restart policy is " + pod->policy +
                   (earlier_success ? " and it had succeeded" : ""));
  }
}

void Truth::CheckFleetStart(const std::string& host, const Pod& pod) {
  const std::string who = host + " starts pod " + pod.name + " (" + pod.uid + ")";
  // Who was given it by a hub that forgot that may still begin it.
  if (pod.in_api && IsTerminal(pod.phase) && !pod.fleet->forgotten)
    story_.Violate(who + " although it is " + pod.phase);
  // A provider that restarted can not know that a pod is a base before the shim has told it again.
  if (pod.fleet->claim != Fleet::Claim::kPort) return;
  for (const auto& [uid, other] : pods_) {
    if (uid == pod.uid || !other.fleet || other.fleet->claim != pod.fleet->claim) continue;
    // What the API server forgot is in nobody's books.
    if (other.returned || (restored_ && !other.in_api) || witnesses_.running(host, uid).empty()) continue;
    std::string violation = who;
    violation += " while pod " + other.name + " (" + uid + ") still has what both want";
    story_.Violate(violation);
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
