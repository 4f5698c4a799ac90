// What has to hold when the faults are over and nothing moves any more.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "kube/object.h"
#include "tests/sim/fleet.h"
#include "tests/sim/world.h"

namespace slicelet::sim {

using kube::Json;
using std::chrono::minutes;
using std::chrono::seconds;

namespace {

/// The longest backoff is five minutes, and a missing pod is confirmed ten minutes apart.
constexpr Duration kLongestWait = minutes(45);
constexpr Duration kLook = seconds(20);
/// All has to be well that often in a row: a state that only passes through is not quiet.
constexpr int kQuietLooks = 3;
constexpr std::size_t kShownDifferences = 4;

bool IsTrue(const Json& object, const std::string& type) {
  const Json* condition = FindCondition(object, type);
  return condition != nullptr && condition->value("status", "") == "True";
}

}  // namespace

const Json* FindCondition(const Json& object, const std::string& type) {
  const Json* conditions = kube::Find(object, {"status", "conditions"});
  if (conditions == nullptr) return nullptr;
  for (const Json& condition : *conditions) {
    if (condition.value("type", "") == type) return &condition;
  }
  return nullptr;
}

void World::Settle() {
  Heal();
  WaitUntilQuiet(false);
  if (failed()) return;
  DecideOrphans();
  if (kinds_ && truth().restored()) kinds_->RestoreServers();
  if (kinds_ && kinds_->RemoveDeadHost()) {
    Run(kLook);
    if (!failed() && provider_->hub() != nullptr) kinds_->DecommissionDeadHost(*provider_->hub());
  }
  WaitUntilQuiet(true);
  if (failed() || !kinds_) return;
  around_.story.Tell("---- users delete what controllers have made");
  kinds_->DeleteAll(around_.seed);
  WaitUntilQuiet(true);
}

void World::WaitUntilQuiet(bool strict) {
  std::vector<std::string> differences;
  int quiet = 0;
  for (Duration waited{0}; waited < kLongestWait && quiet < kQuietLooks; waited += kLook) {
    Run(kLook);
    if (failed()) return;
    differences = Differences(strict);
    quiet = differences.empty() ? quiet + 1 : 0;
  }
  if (quiet == kQuietLooks) return;
  std::string what = "does not converge" + std::string(strict ? " after the operator's decision" : "") + ":";
  for (std::size_t i = 0; i < differences.size() && i < kShownDifferences; ++i)
    what += "\n    " + differences[i];
  if (differences.size() > kShownDifferences) {
    what += "\n    and " + std::to_string(differences.size() - kShownDifferences) + " more";
  }
  if (differences.empty()) what += " it is never quiet for a minute";
  around_.story.Violate(what);
}

void World::TellAboutViolation() {
  const std::string& what = around_.story.violation().value();
  if (kinds_) kinds_->Tell();
  for (const auto& [uid, pod] : truth().pods()) {
    if (what.find(uid) == std::string::npos) continue;
    const auto object = around_.api.cluster().Peek(kube::kPods, pod.ns, pod.name);
    around_.story.Tell("api: " + pod.name + " is " + (object == nullptr ? "gone" : object->dump()));
    for (const std::string& id : truth().HostsOf(pod)) TellAboutPod(HostOf(id), pod);
  }
}

void World::TellAboutPod(HostMachine& host, const Truth::Pod& pod) {
  const std::string where = host.id() + ": ";
  if (host.agent() != nullptr) {
    const auto* status = host.agent()->pods().FindStatus(PodUid(pod.uid));
    around_.story.Tell(where + "the agent says that " + pod.name + " is " +
                       (status == nullptr ? "unknown" : status->ShortDebugString()));
  }
  const auto record = host.store().records().find(PodUid(pod.uid));
  if (record != host.store().records().end())
    around_.story.Tell(where + "the agent's store: " + record->second.ShortDebugString());
  for (const auto& [id, state] : host.runtime().containers()) {
    if (state.uid != pod.uid) continue;
    around_.story.Tell(where + "the runtime has " + id + ", which is " + state.container.name + ", attempt " +
                       std::to_string(state.container.attempt) + ", phase " +
                       std::to_string(static_cast<int>(state.container.phase)));
  }
}

void World::DecideOrphans() {
  auto* hub = provider_->hub();
  if (hub == nullptr) return;
  v1::DecideOrphansRequest request;
  request.set_decision(v1::DecideOrphansRequest::REMOVE);
  const v1::ListOrphansReply orphans = hub->ListOrphans();
  for (const auto& orphan : orphans.orphans()) {
    around_.story.Tell("operator: removes " + orphan.name() + " (" + orphan.uid() + ", " + orphan.state() +
                       ")");
    truth().OperatorRemoved(orphan.uid());
    request.add_uids(orphan.uid());
  }
  if (request.uids().empty()) return;
  const auto reply = hub->DecideOrphans(request);
  if (!reply.ok()) around_.story.Violate("the operator can not decide: " + Message(reply.status()));
}

std::vector<std::string> World::Differences(bool strict) {
  std::vector<std::string> out;
  auto* hub = provider_->hub();
  if (hub == nullptr) return {"the provider does not run"};
  std::set<std::string> addresses;
  for (const auto& object : around_.api.cluster().All(kube::kPods)) {
    ComparePod(*object, out);
    const std::string address = kube::TextAt(*object, {"status", "podIP"});
    const bool running = kube::TextAt(*object, {"status", "phase"}) == "Running";
    if (running && !address.empty() && !addresses.insert(address).second) {
      out.push_back(kube::NameOf(*object) + " has the address " + address + " of another pod");
    }
  }
  std::vector<std::string> nodes;
  for (auto& host : hosts_) nodes.push_back(host->id());
  if (around_.kind.fleet) nodes.emplace_back(kFleet);
  for (const std::string& name : nodes) {
    const auto node = around_.api.cluster().Peek(kube::kNodes, "", name);
    if (node == nullptr)
      out.push_back("node " + name + " is missing");
    else if (!IsTrue(*node, "Ready"))
      out.push_back("node " + name + " is not Ready");
  }
  for (auto& host : hosts_) {
    if (host->agent() == nullptr || !host->agent()->connected()) {
      out.push_back(host->id() + " is not connected");
      continue;
    }
    const Generation held = host->agent()->accepted();
    const Generation made = hub->GenerationOf(HostId(host->id()));
    if (held != made) {
      out.push_back(host->id() + " holds " + std::to_string(held.epoch) + "." + std::to_string(held.number) +
                    ", the provider made " + std::to_string(made.epoch) + "." + std::to_string(made.number));
    }
    CompareHost(*host, strict, out);
  }
  CompareLogs(strict, out);
  if (kinds_ && strict) kinds_->Compare(out);
  return out;
}

void World::CompareLogs(bool strict, std::vector<std::string>& out) {
  const std::set<std::string> excused = Undecided(strict);
  const auto kept = provider_->store().CopyState().log_tails;
  for (const auto& [key, tail] : kept) {
    const auto& [uid, host, container] = key;
    const std::string who =
        "the provider's log of " + container + " of " + uid.value() + " on " + host.value();
    const Truth::Pod* pod = truth().Find(uid.value());
    if (pod != nullptr && !pod->in_api && !excused.contains(pod->uid))
      out.push_back(who + " is still kept, and the pod is gone");
    std::string told;
    for (const auto& instance : tail.record.instances())
      told += "2026-01-01T00:00:00.5Z stdout F " + instance.container_id() + "\n";
    if (tail.lines != told) out.push_back(who + " is \"" + tail.lines + "\", not \"" + told + "\"");
  }
}

std::set<std::string> World::Undecided(bool strict) {
  std::set<std::string> uids;
  if (strict) return uids;
  const v1::ListOrphansReply orphans = provider_->hub()->ListOrphans();
  for (const auto& orphan : orphans.orphans()) uids.insert(orphan.uid());
  return uids;
}

void World::ComparePod(const Json& object, std::vector<std::string>& out) {
  const Truth::Pod* pod = truth().Find(kube::UidOf(object));
  if (pod == nullptr) return;
  const std::string phase = kube::TextAt(object, {"status", "phase"});
  if (kinds_ && kinds_->IsForDeadHost(*pod)) return;
  if (kube::BeingDeleted(object)) {
    out.push_back(pod->name + " (" + pod->uid + ") is still Terminating");
    return;
  }
  // Its deletion was undone by a restore, after it had begun: it may have ended by then, or begin anew.
  if (pod->returned && (phase == "Succeeded" || phase == "Failed")) return;
  // A fleet's instances need not agree about that.
  if (pod->fleet && pod->returned) return;
  if (pod->fleet) return CompareFleet(*pod, object, out);
  switch (pod->outcome) {
    case Truth::Outcome::kRuns:
      return CompareRunning(*pod, {&HostOf(pod->node)}, object, out);
    case Truth::Outcome::kSucceeds:
      // What may run only once fails if a power cut strikes it.
      if (phase == "Failed" && pod->policy == "Never" && HostOf(pod->node).disturbed()) return;
      if (phase != "Succeeded")
        out.push_back(pod->name + " (" + pod->uid + ") is " + phase + ", not Succeeded");
      return;
    case Truth::Outcome::kFails:
      if (phase != "Failed") out.push_back(pod->name + " (" + pod->uid + ") is " + phase + ", not Failed");
      return;
    case Truth::Outcome::kPends:
      if (phase != "Pending") out.push_back(pod->name + " (" + pod->uid + ") is " + phase + ", not Pending");
      return;
  }
}

void World::CompareRunning(const Truth::Pod& pod, const std::vector<HostMachine*>& hosts, const Json& object,
                           std::vector<std::string>& out) {
  const std::string who = pod.name + " (" + pod.uid + ")";
  const std::string phase = kube::TextAt(object, {"status", "phase"});
  if (phase != "Running") return out.push_back(who + " is " + phase + ", not Running");
  if (!IsTrue(object, "Ready")) out.push_back(who + " is not Ready");
  if (kube::TextAt(object, {"status", "podIP"}).empty()) out.push_back(who + " has no address");
  std::map<std::string, std::string> shown;
  if (const Json* statuses = kube::Find(object, {"status", "containerStatuses"})) {
    for (const Json& status : *statuses) {
      if (kube::Find(status, {"state", "running"}) == nullptr) continue;
      shown[status.value("name", "")] = status.value("containerID", "");
    }
  }
  for (HostMachine* host : hosts) CompareOn(*host, pod, out);
  for (const auto& [name, image] : pod.images) {
    // Of a fleet's pod one instance is shown.
    const bool runs = std::any_of(hosts.begin(), hosts.end(), [&, &name = name](HostMachine* host) {
      const auto running = host->runtime().Running(pod.uid);
      const auto it = running.find(name);
      return it != running.end() && shown[name] == "containerd://" + it->second;
    });
    if (!runs) {
      out.push_back(who + "/" + name + " is shown as " + (shown[name].empty() ? "not running" : shown[name]) +
                    ", but that is not what runs");
    }
  }
}

void World::CompareOn(HostMachine& host, const Truth::Pod& pod, std::vector<std::string>& out) {
  const std::string who = pod.name + " (" + pod.uid + ")";
  const auto running = host.runtime().Running(pod.uid);
  for (const auto& [name, image] : pod.images) {
    const auto it = running.find(name);
    if (it == running.end()) {
      out.push_back(who + "/" + name + " does not run on " + host.id());
      continue;
    }
    const auto& state = host.runtime().containers().at(it->second);
    if (state.container.image != image)
      out.push_back(who + "/" + name + " runs " + state.container.image + " on " + host.id() + ", not " +
                    image);
    for (const auto& mount : state.config.mounts) {
      if (mount.container_path != "/etc/settings") continue;
      const auto text = host.files().Read(mount.host_path + "/text", 1'000);
      const std::string wanted =
          kube::TextAt(*around_.api.cluster().Peek(kube::kConfigMaps, pod.ns, "settings"), {"data", "text"});
      if (!text.ok() || *text != wanted) {
        out.push_back(who + " sees settings \"" + (text.ok() ? *text : Message(text.status())) + "\" on " +
                      host.id() + ", not \"" + wanted + "\"");
      }
    }
  }
}

void World::CompareHost(HostMachine& host, bool strict, std::vector<std::string>& out) {
  const std::set<std::string> excused = Undecided(strict);
  for (const auto& [id, state] : host.runtime().sandboxes()) {
    const Truth::Pod* pod = truth().Find(state.sandbox.uid);
    if (pod == nullptr || pod->in_api || excused.contains(pod->uid)) continue;
    out.push_back(host.id() + " still has sandbox " + id + " of " + pod->name + " (" + pod->uid +
                  "), which is gone");
  }
  for (const auto& [id, state] : host.runtime().containers()) {
    const Truth::Pod* pod = truth().Find(state.uid);
    if (pod == nullptr || pod->in_api || excused.contains(pod->uid)) continue;
    out.push_back(host.id() + " still has container " + id + " of " + pod->name + " (" + pod->uid +
                  "), which is gone");
  }
  // What the API server lost goes on until somebody decides.
  for (const auto& [uid, pod] : truth().pods()) {
    if (!pod.lost || pod.deleting || pod.outcome != Truth::Outcome::kRuns) continue;
    if (pod.fleet ? pod.fleet->claim != Truth::Fleet::Claim::kNone || pod.fleet->withdrawn.contains(host.id())
                  : pod.node != host.id())
      continue;
    for (const auto& [name, image] : pod.images) {
      // What never ran there could not go on.
      if (host.runtime().StartCount(uid, name) == 0 || host.runtime().Running(uid).contains(name)) continue;
      out.push_back(host.id() + " does not run " + pod.name + "/" + name + " (" + uid +
                    "), which only the API server forgot");
    }
  }
}

}  // namespace slicelet::sim
