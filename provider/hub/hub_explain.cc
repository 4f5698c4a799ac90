// Why a pod is on some hosts and not on others.
#include <map>
#include <utility>

#include "provider/hub/hub_impl.h"

namespace slicelet::provider {
namespace {

void Fill(const HostExplanation& one, v1::ExplainPodReply::Entry& out) {
  out.set_chosen(one.chosen);
  out.set_matched(one.matched);
  if (one.free) {
    out.set_free_cpu_milli(one.free->cpu_milli);
    out.set_free_memory_bytes(one.free->memory_bytes);
  }
  if (one.max_replicas) out.set_max_replicas(*one.max_replicas);
  if (one.receive_rate) out.set_receive_rate(*one.receive_rate);
  out.set_reason(one.reason);
}

}  // namespace

absl::StatusOr<v1::ExplainPodReply> Hub::Impl::ExplainPod(const v1::ExplainPodRequest& request) {
  const Pod* pod = request.uid().empty() ? book.FindByName({}, request.namespace_(), request.name())
                                         : book.Find(PodUid(request.uid()));
  const std::string name = "pod " + request.namespace_() + "/" + request.name();
  if (pod == nullptr) {
    return absl::NotFoundError(name +
                               " is on none of this hub's nodes; 'kubectl describe pod' says whether " +
                               "Kubernetes has given it a node");
  }
  if (pod->stop) return absl::FailedPreconditionError(name + " is being deleted");
  if (!pod->workload) {
    return absl::FailedPreconditionError(
        name + (pod->refusal ? " was refused: " + pod->refusal->message()
                             : " waits for ConfigMaps or Secrets, or Kubernetes has not shown it yet"));
  }
  NodeState* node = FindNode(pod->node);
  if (node == nullptr) return absl::NotFoundError("node " + pod->node.value() + " is none of this hub's");
  v1::ExplainPodReply reply;
  reply.set_node(pod->node.value());
  const Room room = RoomOf(pod->claim);
  reply.set_cpu_milli(room.cpu_milli);
  reply.set_memory_bytes(room.memory_bytes);
  if (!node->fleet()) {
    const HostState* host = FindHost(node->host);
    if (host == nullptr) return absl::NotFoundError("there is no host " + node->host.value());
    reply.set_placement("host");
    ExplainHost(*host, *pod, *reply.add_entries());
    return reply;
  }
  // Of this moment, not of the last look.
  Retarget();
  if (!registry.listed() || !node->targeting) {
    return absl::FailedPreconditionError("not all pods and hosts of node " + node->name.value() +
                                         " are known yet: try again");
  }
  SetRates(*node);
  reply.set_placement(NameOf(pod->terms->placement));
  if (pod->terms->placement != FleetTerms::Placement::kAll) reply.set_hosts(pod->terms->hosts);
  reply.set_condition(pod->terms->condition.text());
  std::map<HostId, HostExplanation> known;
  for (HostExplanation& one : node->targeting->Explain(pod->uid)) known.emplace(one.host, std::move(one));
  std::set<HostId> ids;
  for (const auto& [id, object] : registry.hosts()) ids.insert(id);
  for (const auto& [id, one] : known) ids.insert(id);
  for (const auto& [id, instance] : pod->instances) ids.insert(id);
  for (const HostId& id : ids) {
    v1::ExplainPodReply::Entry& entry = *reply.add_entries();
    entry.set_host(id.value());
    const auto one = known.find(id);
    if (one != known.end())
      Fill(one->second, entry);
    else
      entry.set_reason(NotOnNode(id, *node));
    const auto instance = pod->instances.find(id);
    if (instance != pod->instances.end() && !instance->second.waits.empty())
      entry.set_reason(instance->second.waits);
  }
  return reply;
}

std::string Hub::Impl::NotOnNode(const HostId& id, const NodeState& node) {
  const EdgeHost* object = registry.Find(id);
  if (object == nullptr) return "there is no EdgeHost of this name";
  if (object->revoked) return "revoked: spec.revoked of the EdgeHost";
  if (!object->approved) return "not approved: set spec.approved of the EdgeHost to true";
  const HostState* host = FindHost(id);
  if (host == nullptr) return "not known yet";
  if (!host->has_facts && node.selection->AsksTheHost()) {
    return "node " + node.name.value() + " asks the host, which has not been heard since the hub started";
  }
  return "not of node " + node.name.value() + ": " + node.selection->WhyNot(FactsOf(*host));
}

void Hub::Impl::ExplainHost(const HostState& host, const Pod& pod, v1::ExplainPodReply::Entry& out) {
  out.set_host(host.id.value());
  out.set_matched(true);
  out.set_chosen(host.manifest->Holds(pod.uid));
  if (const auto rate = links.Find(host.id)->receive_rate()) out.set_receive_rate(*rate);
  if (host.facts.allocatable_cpu_milli() > 0 && host.facts.allocatable_memory_bytes() > 0) {
    Room free{host.facts.allocatable_cpu_milli(), host.facts.allocatable_memory_bytes()};
    for (const auto& [uid, other] : book.pods()) {
      const auto instance = other.instances.find(host.id);
      const bool over = instance != other.instances.end() ? instance->second.finished || instance->second.gone
                                                          : other.finished || other.gone;
      if (!over && host.manifest->Holds(uid)) free = free - RoomOf(other.claim);
    }
    out.set_free_cpu_milli(free.cpu_milli);
    out.set_free_memory_bytes(free.memory_bytes);
    out.set_max_replicas(MaxReplicas(free, RoomOf(pod.claim)));
  }
  if (const auto not_placed = NotPlaced(pod)) {
    out.set_chosen(false);
    out.set_reason(not_placed->message());
  } else if (pod.status && pod.status->has_refused()) {
    out.set_chosen(false);
    out.set_reason(pod.status->refused().message());
  } else if (!out.chosen()) {
    out.set_reason("its manifest for the host has not been made yet");
  }
}

}  // namespace slicelet::provider
