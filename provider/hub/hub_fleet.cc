// Nodes that stand for many hosts: which hosts they have, and what is told of them.
#include <algorithm>
#include <utility>

#include "common/log/log.h"
#include "provider/hub/hub_impl.h"

namespace slicelet::provider {

void Hub::Impl::LoadFleets() {
  for (const FleetNode& fleet : options.fleet_nodes) {
    const NodeName name(fleet.name);
    if (FindHost(HostId(fleet.name)) != nullptr) {
      LogError("fleet node has the name of a host, it is left out", {{"node", name}});
      continue;
    }
    absl::StatusOr<TargetCondition> condition = TargetCondition::Parse(fleet.condition);
    if (!condition.ok()) {
      // The configuration is checked before it comes here.
      LogError("fleet node has a bad condition, it is left out",
               {{"node", name}, {"why", Message(condition.status())}});
      continue;
    }
    EnsureNode(name, HostId()).selection = *std::move(condition);
  }
  for (const auto& [uid, record] : d.store.loaded().placements) {
    for (const std::string& host : record.hosts()) placements[uid].insert(HostId(host));
  }
}

TargetFacts Hub::Impl::FactsOf(const HostState& host) const {
  TargetFacts facts;
  facts.host = host.id.value();
  if (const EdgeHost* object = registry.Find(host.id)) facts.tags = object->tags;
  if (!host.has_facts) return facts;
  facts.reported = host.tags;
  const v1::NodeFacts& node = host.facts;
  facts.reported["architecture"] = node.architecture();
  facts.reported["operatingSystem"] = node.operating_system();
  facts.reported["osImage"] = node.os_image();
  facts.reported["kernelVersion"] = node.kernel_version();
  facts.reported["containerRuntimeVersion"] = node.container_runtime_version();
  facts.reported["agentVersion"] = host.agent_version;
  facts.reported["cpuMilli"] = std::to_string(node.cpu_milli());
  facts.reported["memoryBytes"] = std::to_string(node.memory_bytes());
  return facts;
}

bool Hub::Impl::BelongsTo(const HostState& host, const NodeState& node) const {
  if (!node.fleet() || !node.selection) return false;
  const EdgeHost* object = registry.Find(host.id);
  if (object == nullptr || !object->approved || object->revoked) return false;
  return node.selection->Matches(FactsOf(host));
}

absl::StatusOr<std::size_t> Hub::HostsOf(const NodeName& name, const std::string& condition) const {
  const Impl::NodeState* node = impl_->FindNode(name);
  if (node == nullptr || !node->fleet() || !node->selection) {
    return absl::NotFoundError("this hub has no fleet node " + name.value());
  }
  if (!impl_->registry.listed()) return absl::UnavailableError("the EdgeHosts are not known yet");
  TargetCondition wanted = TargetCondition::Everything();
  if (!condition.empty()) {
    SLICELET_ASSIGN_OR_RETURN(wanted, TargetCondition::Parse(condition));
  }
  return static_cast<std::size_t>(std::ranges::count_if(impl_->hosts, [&](const auto& one) {
    return impl_->BelongsTo(*one.second, *node) && wanted.Matches(impl_->FactsOf(*one.second));
  }));
}

void Hub::Impl::SavePlacement(const Pod& pod) {
  // A pod for all hosts is found again from the hosts themselves.
  std::set<HostId> chosen;
  if (pod.terms && pod.terms->placement != FleetTerms::Placement::kAll) {
    for (const auto& [id, instance] : pod.instances) {
      if (instance.targeted) chosen.insert(id);
    }
  }
  const auto held = placements.find(pod.uid);
  if (held == placements.end() ? chosen.empty() : held->second == chosen) return;
  HubStore::Batch batch;
  std::optional<v1::PlacementRecord>& record = batch.placements[pod.uid];
  if (chosen.empty()) {
    placements.erase(pod.uid);
  } else {
    record = PlacementOf(pod, chosen);
    placements[pod.uid] = std::move(chosen);
  }
  Commit(std::move(batch));
}

v1::PlacementRecord Hub::Impl::PlacementOf(const Pod& pod, const std::set<HostId>& chosen) {
  v1::PlacementRecord record;
  record.set_uid(pod.uid.value());
  record.set_node(pod.node.value());
  for (const HostId& id : chosen) record.add_hosts(id.value());
  return record;
}

void Hub::Impl::ReportFleetsLater() {
  if (report_fleets.armed()) return;
  report_fleets.Set(kFleetNodeReport, [this] {
    for (const auto& [name, node] : nodes) {
      if (node->fleet()) ReportNode(*node);
    }
  });
}

void Hub::Impl::ReportFleet(const NodeState& node) {
  v1::ProviderMessage message;
  v1::NodeReport& report = *message.mutable_node_report();
  v1::NodeFacts& sum = *report.mutable_facts();
  std::size_t members = 0;
  std::size_t connected = 0;
  std::set<std::string> architectures;
  for (const auto& [id, host] : hosts) {
    if (!BelongsTo(*host, node)) continue;
    const Reach reach = links.Find(id)->reach();
    // The hub has just started: what the node object says is better than what we know.
    if (reach == Reach::kUnknown && d.loop.Now() - started < kFleetSilence) return ReportFleetsLater();
    ++members;
    connected += reach == Reach::kConnected || reach == Reach::kResuming ? 1 : 0;
    const v1::NodeFacts& facts = host->facts;
    sum.set_cpu_milli(sum.cpu_milli() + facts.cpu_milli());
    sum.set_memory_bytes(sum.memory_bytes() + facts.memory_bytes());
    sum.set_ephemeral_storage_bytes(sum.ephemeral_storage_bytes() + facts.ephemeral_storage_bytes());
    sum.set_pods(sum.pods() + facts.pods());
    sum.set_allocatable_cpu_milli(sum.allocatable_cpu_milli() + facts.allocatable_cpu_milli());
    sum.set_allocatable_memory_bytes(sum.allocatable_memory_bytes() + facts.allocatable_memory_bytes());
    sum.set_allocatable_ephemeral_storage_bytes(sum.allocatable_ephemeral_storage_bytes() +
                                                facts.allocatable_ephemeral_storage_bytes());
    if (host->has_facts && !facts.architecture().empty()) architectures.insert(facts.architecture());
    report.set_last_seen(std::max(report.last_seen(), links.Find(id)->last_seen()));
  }
  sum.set_operating_system("linux");
  // Of several kinds of hosts none is the node's.
  if (architectures.size() == 1) sum.set_architecture(*architectures.begin());
  sum.set_os_image(std::to_string(members) + " edge hosts");
  report.set_name(node.name.value());
  v1::Condition& link = *report.mutable_link();
  link.set_type("slicelet.io/LinkReady");
  link.set_status(connected > 0 || members == 0);
  link.set_reason(members == 0 ? "NoHosts" : connected > 0 ? "HostsConnected" : "NoHostConnected");
  link.set_message(std::to_string(connected) + " of " + std::to_string(members) + " hosts are connected");
  *report.mutable_held() = node.judge->held();
  shims.Send(std::move(message));
}

absl::Status Hub::Impl::DecommissionFleet(const NodeState& node, bool force) {
  if (node.selection) {
    return absl::FailedPreconditionError(
        "node " + node.name.value() + " is in the provider's configuration: remove it from fleetNodes first");
  }
  const std::vector<Pod*> pods = book.OnNode(node.name);
  if (!pods.empty() && !force) {
    return absl::FailedPreconditionError("node " + node.name.value() + " has " + std::to_string(pods.size()) +
                                         " pods on its hosts: delete them first, or use --force");
  }
  GiveUpNode(node.name, pods.size(), {});
  for (Pod* pod : pods) StopPod(*pod, GraceOf(*pod));
  return absl::OkStatus();
}

void Hub::Impl::GiveUpNode(const NodeName& name, std::size_t workloads, HubStore::Batch batch) {
  LogWarning("node decommissioned", {{"node", name}, {"workloads", static_cast<std::uint64_t>(workloads)}});
  SaveRetired(name, batch);
  Commit(std::move(batch));
  retiring.insert(name);
  if (declared) RetireNodes();
}

void Hub::Impl::SaveRetired(const NodeName& node, HubStore::Batch& batch) const {
  v1::NodeRecord& record = batch.nodes[node].emplace();
  record.set_node(node.value());
  record.set_retired(true);
  record.set_shim_incarnation(shims.highest_incarnation());
}

}  // namespace slicelet::provider
