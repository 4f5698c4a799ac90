// What operators ask.
#include <utility>

#include "common/log/log.h"
#include "provider/hub/hub_impl.h"
#include "provider/manifest/generation.h"

namespace slicelet::provider {

v1::ListHostsReply Hub::Impl::ListHosts() const {
  v1::ListHostsReply reply;
  reply.set_log_tails_dropped(tails.shelf().dropped());
  std::set<HostId> ids;
  for (const auto& [id, object] : registry.hosts()) ids.insert(id);
  for (const auto& [id, state] : hosts) ids.insert(id);
  for (const HostId& id : ids) {
    v1::HostInfo& info = *reply.add_hosts();
    info.set_name(id.value());
    if (const EdgeHost* object = registry.Find(id)) {
      info.set_approved(object->approved);
      info.set_revoked(object->revoked);
    }
    const HostState* host = FindHost(id);
    if (host == nullptr) continue;
    const HostSession& session = *links.Find(id);
    info.set_connected(session.connected());
    info.set_last_seen(session.last_seen() != 0 ? session.last_seen() : host->manifest->record().last_seen());
    info.set_refused(session.refused());
    info.set_agent_version(host->agent_version);
    info.set_address(host->facts.address());
    const Generation generation = host->manifest->generation();
    info.set_epoch(generation.epoch);
    info.set_number(generation.number);
    info.set_accepted(host->accepted == generation);
    info.set_log_tail_bytes(tails.shelf().BytesOf(id));
    info.set_workloads(static_cast<std::int32_t>(host->manifest->deployments().size()));
  }
  return reply;
}

absl::StatusOr<v1::PodHostsReply> Hub::Impl::PodHosts(const v1::PodHostsRequest& request) {
  const Pod* pod = request.uid().empty() ? book.FindByName({}, request.namespace_(), request.name())
                                         : book.Find(PodUid(request.uid()));
  if (pod == nullptr) {
    return absl::NotFoundError("pod " + request.namespace_() + "/" + request.name() +
                               (request.uid().empty() ? "" : " (uid " + request.uid() + ")") +
                               " is on no host");
  }
  v1::PodHostsReply reply;
  const NodeState* node = FindNode(pod->node);
  if (node != nullptr && node->fleet()) {
    AddFleetEntries(*pod, reply);
    return reply;
  }
  const HostState* host = FindHost(HostId(pod->node.value()));
  if (host == nullptr || !host->manifest->Holds(pod->uid)) return reply;
  v1::PodHostsReply::Entry& entry = *reply.add_entries();
  entry.set_host(host->id.value());
  entry.set_connected(links.Find(host->id)->connected());
  entry.set_accepted(host->accepted == host->manifest->generation());
  if (pod->status) *entry.mutable_status() = *pod->status;
  return reply;
}

v1::ListOrphansReply Hub::Impl::ListOrphans() const {
  v1::ListOrphansReply reply;
  for (const auto& [name, node] : nodes) {
    for (const v1::OrphanRecord& record : node->judge->Orphans()) {
      v1::ListOrphansReply::Orphan& orphan = *reply.add_orphans();
      orphan.set_uid(record.uid());
      orphan.set_namespace_(record.namespace_());
      orphan.set_name(record.name());
      orphan.set_node(record.node());
      orphan.set_host(node->host.value());
      orphan.set_state(record.kept() ? "Kept" : record.held() ? "Held" : "Orphaned");
      orphan.set_why(record.held() ? node->judge->node().held_message()
                                   : "it is missing from the API server's list without having been deleted");
      orphan.set_since(record.since());
    }
  }
  return reply;
}

absl::StatusOr<v1::DecideOrphansReply> Hub::Impl::DecideOrphans(const v1::DecideOrphansRequest& request) {
  if (request.decision() == v1::DecideOrphansRequest::UNSPECIFIED) {
    return absl::InvalidArgumentError("decision: want KEEP or REMOVE");
  }
  if (request.uids().empty() == request.node().empty()) {
    return absl::InvalidArgumentError("uids, node: want one of them");
  }
  if (!request.node().empty() && nodes.count(NodeName(request.node())) == 0) {
    return absl::NotFoundError("node " + request.node() + " is none of this hub's");
  }
  const std::set<std::string> uids(request.uids().begin(), request.uids().end());
  const bool keep = request.decision() == v1::DecideOrphansRequest::KEEP;
  std::set<std::string> unknown = uids;
  v1::DecideOrphansReply reply;
  for (const auto& [name, node] : nodes) {
    if (!request.node().empty() && name.value() != request.node()) continue;
    for (const v1::OrphanRecord& record : node->judge->Orphans()) {
      if (!uids.empty() && uids.count(record.uid()) == 0) continue;
      LogInfo("operator decided about a missing pod",
              {{"node", name}, {"uid", record.uid()}, {"decision", keep ? "keep" : "remove"}});
      Run(*node, node->judge->Decide(PodUid(record.uid()), keep));
      reply.set_decided(reply.decided() + 1);
      unknown.erase(record.uid());
    }
  }
  reply.mutable_unknown()->Assign(unknown.begin(), unknown.end());
  return reply;
}

absl::Status Hub::Impl::DecommissionNode(const v1::DecommissionNodeRequest& request) {
  const HostId id(request.node());
  const NodeState* node = FindNode(NodeName(request.node()));
  if (node != nullptr && node->fleet()) return DecommissionFleet(*node, request.force());
  HostState* host = FindHost(id);
  if (host == nullptr) {
    // A fleet node of a former configuration that had no pods: all that is left of it is its record.
    const bool was_ours = node == nullptr && d.store.loaded().nodes.count(NodeName(request.node())) != 0;
    if (!was_ours || decommissioned.count(id) != 0)
      return absl::NotFoundError("node " + request.node() + " is none of this hub's");
    decommissioned.insert(id);
    GiveUpNode(NodeName(request.node()), 0, {});
    return absl::OkStatus();
  }
  const EdgeHost* object = registry.Find(id);
  if (object != nullptr && object->approved && !object->revoked) {
    return absl::FailedPreconditionError("EdgeHost " + id.value() +
                                         " is approved: delete it, or set spec.approved to false, first");
  }
  const std::size_t workloads = host->manifest->deployments().size();
  if (workloads > 0 && !request.force()) {
    return absl::FailedPreconditionError("host " + id.value() + " runs " + std::to_string(workloads) +
                                         " workloads: delete their pods first, or use --force");
  }
  HubStore::Batch batch;
  batch.hosts[id] = std::nullopt;
  for (const v1::OrphanRecord& record : node->judge->Orphans())
    batch.orphans[PodUid(record.uid())] = std::nullopt;
  for (const Pod* pod : book.OnNode(host->node)) {
    batch.statuses[{pod->uid, id}] = std::nullopt;
    tails.Forget(pod->uid, id, batch);
    unsaved_statuses.erase({pod->uid, id});
    book.Forget(PodUid(pod->uid));
  }
  DropHost(id, batch);
  tails.Forget(id);
  GiveUpNode(host->node, workloads, std::move(batch));
  CloseStreams(id, absl::UnavailableError("node " + request.node() + " was decommissioned"));
  decommissioned.insert(id);
  links.Remove(id);
  nodes.erase(NodeName(request.node()));
  hosts.erase(id);
  return absl::OkStatus();
}

}  // namespace slicelet::provider
