// Fleet nodes: their users, and what has to hold for a pod that runs on many hosts.
#include "tests/sim/fleet.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "kube/object.h"
#include "tests/sim/world.h"

namespace slicelet::sim {

using kube::Json;

HostTags TagsOf(const Json& edge_host) {
  HostTags tags;
  tags.site = kube::TextAt(edge_host, {"spec", "tags", "site"});
  const std::string ring = kube::TextAt(edge_host, {"spec", "tags", "ring"});
  if (!ring.empty()) tags.ring = ring.front() - '0';
  return tags;
}

const std::vector<FleetCondition>& FleetConditions() {
  using Host = const std::string&;
  using Tags = const HostTags&;
  static const std::vector<FleetCondition> kAll = {
      {"*", [](Host, Tags) { return true; }},
      {"tags.site = 'north'", [](Host, Tags tags) { return tags.site == "north"; }},
      // What a host does not have is undefined, and so is its negation.
      {"NOT tags.site = 'north'", [](Host, Tags tags) { return !tags.site.empty() && tags.site != "north"; }},
      {"tags.ring <= 2 AND tags.site IN ['north', 'south']",
       [](Host, Tags tags) { return tags.ring != 0 && tags.ring <= 2 && !tags.site.empty(); }},
      {"hostId = 'gw-3' OR tags.ring > 1",
       [](Host host, Tags tags) { return host == "gw-3" || tags.ring > 1; }},
      {"properties.reported.architecture = 'amd64' AND deviceId IN ['gw-1', 'gw-2']",
       [](Host host, Tags) { return host == "gw-1" || host == "gw-2"; }},
  };
  return kAll;
}

// ---- Users

void World::ForFleet(std::uint64_t pick, Truth::Pod& pod, Json& object) {
  using Claim = Truth::Fleet::Claim;
  Truth::Fleet& fleet = pod.fleet.emplace();
  pod.node = kFleet;
  object["spec"]["nodeName"] = kFleet;
  Json& annotations = object["metadata"]["annotations"];
  fleet.condition = pick % FleetConditions().size();
  annotations["slicelet.io/target-condition"] = FleetConditions()[fleet.condition].text;
  pick /= FleetConditions().size();
  if (pod.outcome != Truth::Outcome::kRuns) return;
  switch (pick % 6) {
    case 0:
    case 1:
      fleet.claim = Claim::kPort;
      object["spec"]["containers"][0]["ports"] = Json::array({{{"containerPort", 8080}, {"hostPort", 8080}}});
      break;
    case 2:
      fleet.claim = Claim::kBase;
      annotations["slicelet.io/layered"] = "false";
      break;
    case 3:
      fleet.chosen = true;
      annotations["slicelet.io/placement"] = pick / 6 % 2 == 0 ? "worst-fit" : "best-fit";
      break;
    default:
      break;
  }
  fleet.priority = static_cast<int>(pick / 12 % 3);
  annotations["slicelet.io/priority"] = std::to_string(fleet.priority);
}

void World::ChangeTags(std::size_t host, std::uint64_t pick) {
  static const std::vector<Json> kSites = {"north", "south", nullptr};
  static const std::vector<Json> kRings = {"1", "2", "3", nullptr};
  const std::string id = this->host(host).id();
  const Json tags = {{"site", kSites[pick % 3]}, {"ring", kRings[pick / 3 % 4]}};
  around_.story.Tell("user: tags " + id + " " + tags.dump());
  const auto changed = around_.api.cluster().Patch("someone", {kube::kEdgeHosts, "slicelet", id, ""},
                                                   kube::PatchType::kMerge, {{"spec", {{"tags", tags}}}});
  if (!changed.ok())
    around_.story.Violate("the simulation can not tag " + id + ": " + Message(changed.status()));
  truth().TagsChanged();
}

// ---- What has to hold in the end

namespace {

std::size_t NumberAfter(const std::string& text, const std::string& word) {
  const std::size_t at = text.find(word + " ");
  return at == std::string::npos ? std::string::npos : std::stoul(text.substr(at + word.size() + 1));
}

}  // namespace

void World::CompareFleet(const Truth::Pod& pod, const Json& object, std::vector<std::string>& out) {
  const std::string who = pod.name + " (" + pod.uid + ")";
  const std::string phase = kube::TextAt(object, {"status", "phase"});
  std::vector<HostMachine*> matching, running;
  bool contested = false;
  bool disturbed = false;
  for (const auto& host : hosts_) {
    disturbed = disturbed || host->disturbed();
    if (!truth().Matches(pod, host->id())) continue;
    matching.push_back(host.get());
    const Truth::Standing standing = truth().StandingOf(pod, host->id());
    contested = contested || standing == Truth::Standing::kUnclear;
    if (standing == Truth::Standing::kWins) running.push_back(host.get());
  }
  if (pod.outcome == Truth::Outcome::kPends) {
    if (phase != "Pending") out.push_back(who + " is " + phase + ", not Pending");
    return;
  }
  if (pod.outcome != Truth::Outcome::kRuns) {
    const bool over = phase == "Succeeded" || phase == "Failed";
    if (!over && matching.empty()) return;
    // What may run only once fails if a power cut strikes it.
    const bool unlucky = phase == "Failed" && pod.policy == "Never" && disturbed;
    const std::string wanted = pod.outcome == Truth::Outcome::kSucceeds ? "Succeeded" : "Failed";
    if (phase != wanted && !unlucky) out.push_back(who + " is " + phase + ", not " + wanted);
    return;
  }
  if (contested) return;
  if (pod.fleet->chosen) {
    std::erase_if(running, [&](HostMachine* host) { return host->runtime().Running(pod.uid).empty(); });
    const std::size_t wanted = matching.empty() ? 0 : 1;
    if (running.size() != wanted)
      out.push_back(who + " runs on " + std::to_string(running.size()) + " hosts, not on " +
                    std::to_string(wanted));
  }
  for (const auto& host : hosts_) {
    if (std::find(running.begin(), running.end(), host.get()) == running.end() &&
        !host->runtime().Running(pod.uid).empty())
      out.push_back(who + " runs on " + host->id() + ", which it is not for");
  }
  const Json* fleet = FindCondition(object, "slicelet.io/Fleet");
  const std::string summary = fleet == nullptr ? "" : fleet->value("message", "");
  const std::size_t targeted = pod.fleet->chosen ? running.size() : matching.size();
  if (NumberAfter(summary, "targeted") != targeted || NumberAfter(summary, "ready") != running.size()) {
    out.push_back(who + " says \"" + summary + "\", but " + std::to_string(targeted) + " hosts match and " +
                  std::to_string(running.size()) + " run it");
  }
  if (!running.empty()) return CompareRunning(pod, running, object, out);
  if (phase != "Pending" && phase != "Running") out.push_back(who + " is " + phase + " without any host");
  const Json* ready = FindCondition(object, "Ready");
  if (ready != nullptr && ready->value("status", "") == "True")
    out.push_back(who + " is Ready without any host");
}

}  // namespace slicelet::sim
