// What the shim says.
#include <algorithm>
#include <utility>

#include "common/log/log.h"
#include "provider/hub/hub_impl.h"
#include "provider/pods/deployment_builder.h"

namespace slicelet::provider {
namespace {

constexpr std::int64_t kDefaultGraceSeconds = 30;

}  // namespace

void Hub::Impl::OnShimHello() {
  OnShimGone();
  DeclareNodes();
}

void Hub::Impl::OnShimGone() {
  declared = false;
  early_tokens.clear();
  book.ForgetShown();
  for (auto& [name, node] : nodes) {
    node->judge->OnShimGone();
    node->deferred.clear();
    node->evidence.Cancel();
    node->judging.Cancel();
  }
}

void Hub::Impl::OnShimMessage(const v1::ShimMessage& message) {
  switch (message.message_case()) {
    case v1::ShimMessage::kReferentApply:
      for (const NodeName& node : book.ApplyReferent(message.referent_apply())) {
        const NodeState* changed = FindNode(node);
        const bool fleet = changed != nullptr && changed->fleet();
        for (Pod* pod : book.OnNode(node)) {
          TouchHostsOf(*pod);
          if (!fleet || !pod->last_apply) continue;
          TouchHostsThatRun(pod->uid);
          TellIgnoredFields(*pod);
          RetargetLater(*pod);
          ShowRefusal(*pod);
          if (pod->refusal) SendReport(*pod, nullptr);
          SummarizeLater(pod->uid);
        }
      }
      break;
    case v1::ShimMessage::kReferentDelete:
      book.DeleteReferent(message.referent_delete());
      break;
    case v1::ShimMessage::kPodApply:
      OnPodApply(message.pod_apply());
      break;
    case v1::ShimMessage::kPodStop:
      OnPodStop(message.pod_stop());
      break;
    case v1::ShimMessage::kPodForget:
      OnPodForget(message.pod_forget());
      break;
    case v1::ShimMessage::kSynced:
      OnSynced(message.synced());
      break;
    case v1::ShimMessage::kPodConfirmed: {
      const Pod* pod = book.Find(PodUid(message.pod_confirmed().uid()));
      NodeState* node = pod == nullptr ? nullptr : FindNode(pod->node);
      if (node == nullptr) break;
      Run(*node, node->judge->OnConfirmed(message.pod_confirmed(), d.loop.Now(), d.clock.Now()));
      break;
    }
    case v1::ShimMessage::kTokenApply:
      OnTokenApply(message.token_apply());
      break;
    case v1::ShimMessage::kNodeRetired:
      OnNodeRetired(NodeName(message.node_retired().name()));
      break;
    case v1::ShimMessage::kHello:
    case v1::ShimMessage::MESSAGE_NOT_SET:
      break;
  }
}

void Hub::Impl::OnPodApply(const v1::PodApply& apply) {
  NodeState* node = FindNode(NodeName(apply.node()));
  if (node == nullptr) {
    LogWarning("pod of an unknown node ignored", {{"node", apply.node()}});
    return;
  }
  absl::StatusOr<PodBook::Applied> applied = book.Apply(apply, node->fleet());
  if (!applied.ok()) {
    LogError("pod not understood", {{"node", apply.node()}, {"why", Message(applied.status())}});
    return;
  }
  Pod& pod = *applied->pod;
  const auto unknown = unknown_stops.extract(pod.uid);
  // The shim shows it to have it stopped; or the API server was restored, and it was never deleted.
  if (!unknown.empty() && applied->being_deleted) PodBook::Stop(pod, unknown.mapped());
  if (const auto early = early_tokens.extract(pod.uid)) {
    for (const auto& [name, token] : early.mapped()) KeepToken(pod, token);
  }
  Run(*node, node->judge->OnApplied(pod.uid));
  pod.shown = true;
  if (node->fleet()) ShowRefusal(pod);
  // Each time: the shim may have left the node for a while, as one of somebody else, and heard nothing.
  SendReport(pod, nullptr);
  TellIgnoredFields(pod);
  LookAtLogs(pod);
  if (!applied->changed) return;
  LogInfo("pod applied", {{"node", node->name},
                          {"pod", pod.ns + "/" + pod.name},
                          {"uid", pod.uid},
                          {"pod_generation", pod.pod_generation},
                          {"refused", pod.refusal ? pod.refusal->reason() : ""}});
  if (node->fleet()) {
    if (pod.rejected_change) SendEvent(pod, pod.rejected_change->reason(), pod.rejected_change->message());
    SummarizeLater(pod.uid);
  }
  RetargetLater(pod);
  TouchHostsOf(pod);
  TouchHostsThatRun(pod.uid);
}

void Hub::Impl::OnPodStop(const v1::PodStop& stop) {
  const PodUid uid(stop.uid());
  Pod* pod = book.Find(uid);
  if (pod == nullptr) return OnUnknownStop(uid, stop.grace_seconds());
  NodeState* node = FindNode(pod->node);
  if (node == nullptr) return;
  const bool first = !std::exchange(pod->shown, true);
  pod->again.reset();
  if (pod->gone) return SendGone(*pod, pod->status ? &*pod->status : nullptr);
  if (first) SendReport(*pod, nullptr);
  Run(*node, node->judge->OnApplied(uid));
  StopPod(*pod, stop.grace_seconds());
}

void Hub::Impl::OnPodForget(const v1::PodForget& forget) {
  const PodUid uid(forget.uid());
  if (forget.evidence() == v1::EVIDENCE_NONE) {
    LogWarning("removal without evidence ignored", {{"uid", uid}});
    return;
  }
  Pod* pod = book.Find(uid);
  early_tokens.erase(uid);
  if (pod == nullptr) return OnUnknownStop(uid, kDefaultGraceSeconds);
  NodeState* node = FindNode(pod->node);
  if (node == nullptr) return;
  pod->again.reset();
  if (pod->gone) return SendGone(*pod, nullptr);
  if (pod->stop && !IsHeld(*pod)) {
    if (node->fleet()) return SettleFleetStop(*pod);
    return SettleStops(*FindHost(node->host));
  }
  if (forget.evidence() == v1::ANOTHER_UID) {
    node->deferred[uid] = forget.evidence();
    if (!node->evidence.armed()) {
      node->evidence.Set(kDeferredEvidence, [this, node] { JudgeDeferred(*node); });
    }
    return;
  }
  if (forget.evidence() != v1::OPERATOR && !node->judge->Counts(uid)) {
    LogWarning("removal of a held pod ignored until an operator decides",
               {{"node", node->name}, {"uid", uid}, {"evidence", v1::Evidence_Name(forget.evidence())}});
    return;
  }
  LogInfo("pod deleted",
          {{"node", node->name}, {"uid", uid}, {"evidence", v1::Evidence_Name(forget.evidence())}});
  const std::int64_t grace = GraceOf(*pod);
  Run(*node, node->judge->Forget(uid));
  StopPod(*pod, grace);
}

void Hub::Impl::JudgeDeferred(NodeState& node) {
  // Without a list of this session nothing tells a healthy cluster from a restored one.
  if (!node.judge->synced()) {
    node.evidence.Set(kDeferredEvidence, [this, &node] { JudgeDeferred(node); });
    return;
  }
  for (const auto& [uid, evidence] : std::exchange(node.deferred, {})) {
    Pod* pod = book.Find(uid);
    if (pod == nullptr || !node.judge->Counts(uid)) continue;
    const std::int64_t grace = GraceOf(*pod);
    Run(node, node.judge->Forget(uid));
    StopPod(*pod, grace);
  }
}

void Hub::Impl::OnSynced(const v1::Synced& synced) {
  NodeState* node = FindNode(NodeName(synced.node()));
  if (node == nullptr) {
    LogWarning("list of an unknown node ignored", {{"node", synced.node()}});
    return;
  }
  LogInfo("node synced", {{"node", node->name},
                          {"pods", synced.uids_size()},
                          {"list", synced.list_resource_version()},
                          {"cluster", synced.cluster_uid()}});
  const std::map<PodUid, v1::Evidence> evidence = std::exchange(node->deferred, {});
  node->evidence.Cancel();
  Run(*node, node->judge->OnSynced(synced, KnownPods(*node), evidence, d.loop.Now(), d.clock.Now()));
  HubStore::Batch batch;
  const auto stored = d.store.loaded().nodes.find(node->name);
  if (stored == d.store.loaded().nodes.end() ||
      stored->second.shim_incarnation() != shims.highest_incarnation()) {
    SaveNode(*node, batch);
  }
  Commit(std::move(batch));

  // What no manifest holds and Kubernetes no longer shows leaves nothing behind.
  std::set<PodUid> listed;
  for (const std::string& uid : synced.uids()) listed.insert(PodUid(uid));
  const bool known = node->fleet() ? Knows(*node) : FindHost(node->host)->verified;
  for (Pod* pod : book.OnNode(node->name)) {
    // The shim has forgotten it too: should it show it again, it has to be told its status again.
    if (listed.count(pod->uid) == 0) pod->shown = false;
    // It waits for something else to be applied, and runs meanwhile.
    if (listed.count(pod->uid) != 0 && !std::exchange(pod->shown, true)) SendReport(*pod, nullptr);
    if (known && listed.count(pod->uid) == 0 && !pod->stop && !IsHeld(*pod)) ForgetPod(PodUid(pod->uid));
  }
  if (node->fleet()) Retarget();
  for (const auto& [id, host] : hosts) {
    if (node->fleet() || node->host == id) host->manifest->Touch();
  }
  SettleUnknownStops();
  for (const auto& [name, other] : nodes) {
    if (Declares(*other) && !other->judge->synced()) return;
  }
  book.DropUnusedReferents();
}

void Hub::Impl::OnTokenApply(const v1::TokenApply& token) {
  const PodUid uid(token.uid());
  if (Pod* pod = book.Find(uid)) return KeepToken(*pod, token);
  if (early_tokens.size() >= kMaxEarlyTokens) {
    LogWarning("too many tokens of pods that were not applied, one dropped", {{"uid", uid}});
    return;
  }
  early_tokens[uid][token.name()] = token;
}

void Hub::Impl::KeepToken(Pod& pod, const v1::TokenApply& token) {
  v1::TokenApply& held = pod.tokens[token.name()];
  if (held.token() == token.token() && held.expires() == token.expires()) return;
  held = token;
  for (HostState* host : HostsOf(pod)) SendToken(*host, pod, token);
}

void Hub::Impl::OnNodeRetired(const NodeName& node) {
  if (retiring.erase(node) == 0) return;
  LogInfo("the Node of a decommissioned node is gone", {{"node", node}});
  HubStore::Batch batch;
  batch.nodes[node] = std::nullopt;
  Commit(std::move(batch));
}

void Hub::Impl::OnUnknownStop(const PodUid& uid, std::int64_t grace_seconds) {
  const auto gone =
      std::find_if(purged.begin(), purged.end(), [&uid](const auto& entry) { return entry.first == uid; });
  if (gone != purged.end()) {
    Pod pod;
    pod.uid = uid;
    pod.node = gone->second;
    return SendGone(pod, nullptr);
  }
  if (unknown_stops.size() >= kMaxUnknownStops) {
    LogWarning("too many deletions of unknown pods, one dropped", {{"uid", uid}});
    return;
  }
  const auto [it, inserted] = unknown_stops.emplace(uid, grace_seconds);
  it->second = std::min(it->second, grace_seconds);
  TouchHostsThatRun(uid);
  SettleUnknownStops();
}

void Hub::Impl::TouchHostsThatRun(const PodUid& uid) {
  for (const auto& [id, host] : hosts) {
    if (host->unexplained && host->unexplained->count(uid) != 0) host->manifest->Touch();
  }
}

bool Hub::Impl::StopUnknown(const NodeState& node, const PodUid& uid, std::int64_t grace_seconds) {
  bool told = false;
  for (const auto& [id, host] : hosts) {
    if (!host->amnesiac || (!node.fleet() && node.host != id)) continue;
    // It may run it, and is told to stop it.
    Pod pod;
    pod.uid = uid;
    pod.stop = grace_seconds;
    PodBook::Stop(book.Learn(node.name, StopEntry(pod), node.fleet() ? id : HostId()), grace_seconds);
    host->manifest->Touch();
    told = true;
  }
  return told;
}

void Hub::Impl::SettleUnknownStops() {
  if (unknown_stops.empty()) return;
  const bool all_known =
      std::all_of(hosts.begin(), hosts.end(), [](const auto& entry) { return entry.second->known(); });
  for (auto it = unknown_stops.begin(); it != unknown_stops.end();) {
    const PodUid& uid = it->first;
    if (Pod* pod = book.Find(uid)) {
      // A host has proved that it holds it.
      const std::int64_t grace = it->second;
      it = unknown_stops.erase(it);
      StopPod(*pod, grace);
      continue;
    }
    bool answered = false;
    for (const auto& [name, node] : nodes) {
      // The node that showed it answers for it; where none did, all hosts have to be known.
      const bool shown = node->judge->Presents(uid);
      if (shown && StopUnknown(*node, uid, it->second)) {
        answered = true;
        continue;
      }
      if (!Knows(*node) || (!shown && !all_known)) continue;
      answered = true;
      Pod nobody;
      nobody.uid = uid;
      nobody.node = node->name;
      SendGone(nobody, nullptr);
    }
    it = answered ? unknown_stops.erase(it) : std::next(it);
  }
}

}  // namespace slicelet::provider
