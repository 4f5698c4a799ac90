// What the hosts say, and the manifests they get.
#include <algorithm>
#include <utility>

#include "common/base/encoding.h"
#include "common/crypto/sealing.h"
#include "common/log/log.h"
#include "provider/hub/hub_impl.h"
#include "provider/manifest/generation.h"
#include "provider/pods/deployment_builder.h"
#include "provider/translate/translate.h"
#ifdef SLICELET_PLANTS
#include "tests/sim/plants.h"
#endif

namespace slicelet::provider {
namespace {

constexpr char kLogRanges[] = "log-ranges";

const char* ReasonOf(v1::Rejected::Code code) {
  switch (code) {
    case v1::Rejected::BAD_SIGNATURE:
      return "BadSignature";
    case v1::Rejected::UNKNOWN_KEY:
      return "UnknownKey";
    case v1::Rejected::WRONG_HOST:
      return "WrongHost";
    case v1::Rejected::TOO_LARGE:
      return "ManifestTooLarge";
    case v1::Rejected::STORE_FULL:
      return "HostStoreFull";
    case v1::Rejected::STALE_GENERATION:
      return "StaleGeneration";
    case v1::Rejected::MALFORMED:
      return "ManifestMalformed";
    default:
      return "ManifestRejected";
  }
}

}  // namespace

absl::Status Hub::Impl::Admit(const HostId& host) {
  const auto node = nodes.find(NodeName(host.value()));
  if (node != nodes.end() && node->second->fleet()) {
    return absl::FailedPreconditionError("EdgeHost " + host.value() +
                                         " has the name of a fleet node: add it under another name");
  }
  return registry.MayConnect(host);
}

void Hub::Impl::LearnDeployments(HostState& host) {
  for (const auto& [uid, deployment] : host.manifest->deployments()) {
    const NodeName name = deployment.node().empty() ? host.node : NodeName(deployment.node());
    const NodeState& node = EnsureNode(name, name == host.node ? host.id : HostId());
    Pod& pod = book.Learn(name, deployment, node.fleet() ? host.id : HostId());
    if (pod.workload) continue;
    // What it has of the host is no other pod's, also while the shim has not spoken of it.
    const absl::StatusOr<std::string> bytes = shelf.Read(Digest(deployment.digest()));
    const auto workload = bytes.ok() ? ParseDeployment(deployment.role(), *bytes) : std::nullopt;
    if (workload) pod.claim = ClaimOf(*workload);
    pod.claim_known = workload.has_value();
  }
}

bool Hub::Impl::IsForgotten(const HostState& host, const Generation& held, const Digest& digest) {
  const HostManifest& manifest = *host.manifest;
  const Claim claim = Judge(manifest.generation(), manifest.digest(), held, digest);
  if (claim == Claim::kNewest) return false;
  // Of a store that this hub's copy knows nothing of a number says nothing: both may have begun anew since.
  const std::string& recorded = manifest.record().host_store();
  if (!host.store.empty() && !recorded.empty() && host.store != recorded) return true;
  return claim == Claim::kUnknown && !manifest.Surpasses(held);
}

bool Hub::Impl::OnBirth(const HostId& id, const v1::Birth& birth, std::uint64_t session) {
  HostState& host = EnsureHost(id);
  v1::HostRecord& record = host.manifest->record();
  // A Birth that comes twice begins nothing anew: the host does not say again what it runs.
  if (record.highest_session() != session) ForgetUnlisted(host);
  record.set_highest_session(session);
  record.set_sealing_key_id(birth.sealing_key_id());
  record.set_sealing_public_key(birth.sealing_public_key());
  record.set_boot_id(birth.boot_id());
  record.set_last_seen(ToUnixNanos(d.clock.Now()));
  host.facts = birth.node();
  host.has_facts = true;
  host.tags = {birth.tags().begin(), birth.tags().end()};
  host.agent_version = birth.agent_version();
  host.log_ranges =
      std::find(birth.features().begin(), birth.features().end(), kLogRanges) != birth.features().end();
  host.amnesiac = birth.amnesiac();
  host.awaiting_proof = false;
  host.store = birth.nonce();
  if (birth.amnesiac()) {
    LogWarning("host lost its store", {{"host", id}});
    host.accepted = {};
    host.verified = true;
    host.manifest->SetHostStore(host.store, true);
    host.content.Set(kAwaitContent, [&host] { host.manifest->Touch(); });
    return false;
  }
  const Generation claimed = FromProto(birth.accepted());
  const bool forgotten = IsForgotten(host, claimed, Digest(birth.accepted_digest()));
#ifdef SLICELET_PLANTS
  if (forgotten && sim::Planted(sim::Plant::kTrustUnprovedEpoch)) {
    v1::Manifest believed;
    *believed.mutable_generation() = birth.accepted();
    host.manifest->Relearn(believed);
    host.verified = true;
    return false;
  }
#endif
  if (forgotten) {
    LogWarning("host says it holds a manifest that the hub does not know",
               {{"host", id}, {"claimed", claimed}, {"gen", host.manifest->generation()}});
    host.awaiting_proof = true;
    return true;
  }
  host.verified = true;
  host.accepted = claimed;
  host.manifest->SetHostStore(host.store, false);
  return false;
}

void Hub::Impl::OnWelcomed(const HostId& id, const v1::Birth& birth) {
  HostState& host = *FindHost(id);
  host.away.reset();
  WatchShown(host);
  tails.OnConnected(id, birth);
  if (host.awaiting_proof) {
    host.proof.Set(kAskForProof, [this, &host] { ClaimUnproved(host, "it does not show it"); });
  } else if (host.manifest->has_manifest() && host.accepted < host.manifest->generation() &&
             (!host.amnesiac || host.manifest->nonce() == birth.nonce())) {
    Deliver(host);
  }
  host.manifest->Touch();
  ReportNodeOf(host);
  WriteHostStatus(host);
  SendTokens(host);
  OnHostChanged(host);
  SettleStops(host);
  PurgeTombstones(host);
  SettleUnknownStops();
}

void Hub::Impl::AskForProof(HostState& host) {
  if (!host.awaiting_proof || !links.Find(host.id)->connected()) return;
  v1::Command command;
  command.set_request_id(d.random.Hex(8));
  command.set_expires(ToUnixNanos(d.clock.Now() + kAskForProof));
  command.mutable_manifest_bytes();
  SendCommand(host.id, std::move(command));
  host.proof.Set(kAskForProof, [this, &host] { ClaimUnproved(host, "it does not show it"); });
}

void Hub::Impl::ClaimUnproved(HostState& host, const std::string& why) {
  if (!host.awaiting_proof) return;
  SetTakes(host, false, "ClaimNotProved",
           "the host says it holds a manifest that this hub does not know, and " + why +
               "; nothing is sent to it or removed from it before");
  if (!host.proof.armed()) AskForProof(host);
}

void Hub::Impl::SetTakes(HostState& host, bool takes, const std::string& reason, const std::string& why) {
  v1::Condition& now = host.takes;
  if (!now.type().empty() && now.status() == takes && now.reason() == reason && now.message() == why) return;
  if (now.type().empty() || now.status() != takes) now.set_last_transition(ToUnixNanos(d.clock.Now()));
  now.set_type("slicelet.io/ManifestAccepted");
  now.set_status(takes);
  now.set_reason(reason);
  now.set_message(why);
  ReportNodeOf(host);
  ReportWaiting(host);
}

void Hub::Impl::ForgetEnded(HostState& host) {
  for (const Pod* pod : book.OnNode(host.node)) {
    if (!pod->workload && !pod->stop && !host.manifest->Holds(pod->uid)) ForgetPod(PodUid(pod->uid));
  }
  HubStore::Batch batch;
  std::vector<PodUid> nowhere;
  for (const NodeState* node : fleets) {
    for (Pod* pod : book.OnNode(node->name)) {
      const bool ended =
          !pod->workload && !pod->stop && pod->instances.contains(host.id) && !host.manifest->Holds(pod->uid);
      if (!ended) continue;
      // It would keep what it took of the host from pods that run there.
      DropInstance(*pod, host.id, batch);
      if (pod->instances.empty()) nowhere.push_back(pod->uid);
      SummarizeLater(pod->uid);
    }
  }
  Commit(std::move(batch));
  for (const PodUid& uid : nowhere) ForgetPod(uid);
}

void Hub::Impl::OnProof(HostState& host, const v1::SignedManifest& claimed) {
  const absl::StatusOr<v1::Manifest> proved = proof.Check(host.id, claimed);
  if (!proved.ok()) {
    LogError("claim not proved, it changes nothing", {{"host", host.id}, {"why", Message(proved.status())}});
    ClaimUnproved(host, "it is none of this hub's");
    return;
  }
  const Generation generation = FromProto(proved->generation());
  host.awaiting_proof = false;
  host.proof.Cancel();
  const bool forgotten = IsForgotten(host, generation, Sha256(claimed.manifest()));
  if (forgotten) {
    LogWarning("host proved a manifest that the hub had forgotten, opening a new epoch",
               {{"host", host.id}, {"proved", generation}, {"gen", host.manifest->generation()}});
    host.manifest->Relearn(*proved);
    LearnDeployments(host);
    ForgetEnded(host);
    // Its proof came late: what it has said of pods that nobody knew went unheard.
    if (std::exchange(host.reported, false)) links.Find(host.id)->HearAgain();
  }
  host.verified = true;
  host.manifest->SetHostStore(host.store, false);
  WatchShown(host);
  host.accepted = generation;
  if (!forgotten) {
    if (generation == host.manifest->generation()) SetTakes(host, true, "Accepted", "");
    // It may have claimed more than it holds: then it still has to get the newest.
    if (host.manifest->has_manifest() && !host.amnesiac && generation < host.manifest->generation())
      Deliver(host);
    // Its Accepted may have been lost, and says nothing new when it comes again.
    PurgeTombstones(host);
  }
  host.manifest->Touch();
  SettleUnknownStops();
  SettleStops(host);
  for (const auto& [name, node] : nodes) {
    if (node->fleet() || node->host == host.id)
      Run(*node, node->judge->OnKnown(KnownPods(*node), d.loop.Now(), d.clock.Now()));
  }
  RetargetLater();
  PlacesChanged();
}

bool Hub::Impl::Draft(HostState& host, ManifestDraft& draft) {
  if (!host.verified) return false;
  // What a host that forgot everything still runs must be in the first manifest it gets.
  if (retarget_posted && host.amnesiac) Retarget();
  bool synced = false;
  bool all_synced = true;
  bool outlived = false;
  for (const auto& [name, node] : nodes) {
    outlived = outlived || Outlives(*node);
    if (!Declares(*node) || (!node->fleet() && node->host != host.id)) continue;
    synced = synced || node->judge->synced();
    all_synced = all_synced && node->judge->synced();
  }
  // What the manifest of a host that lost its store does not hold ends there, and what was stored here may be
  // older than what runs there.
  if (host.amnesiac && (!all_synced || AwaitsUnlisted(host))) return false;
  // Nothing is known but what was: a host that holds nothing gets nothing on that ground.
  if (!synced && draft.base.empty() && !host.manifest->has_manifest()) return false;
  for (const auto& [uid, deployment] : draft.base) {
    const Pod* pod = book.Find(uid);
    const NodeState* node = pod == nullptr ? nullptr : FindNode(pod->node);
    // What the shim has listed is made anew below; whatever the host holds and nobody has spoken of yet
    // stays.
    if (node != nullptr && (node->judge->synced() || Outlives(*node))) continue;
#ifdef SLICELET_PLANTS
    if (!synced && sim::Planted(sim::Plant::kIgnoreSynced) && !(pod != nullptr && pod->workload)) continue;
#endif
    draft.deployments.emplace(uid, deployment);
  }
  if (!synced && !outlived) return true;
  const v1::HostRecord& record = host.manifest->record();
  DeploymentBuilder builder{sealer,
                            book.referents(),
                            shelf,
                            {host.id, record.sealing_key_id(), record.sealing_public_key()},
                            host.lost};
  // It may be gone for good, as a ConfigMap that was deleted; whoever uses it runs on.
  builder.without_missing = host.amnesiac && !host.content.armed();
  const EdgeHost* object = registry.Find(host.id);
  const bool frozen = object == nullptr || object->maintenance || !object->approved || object->revoked;
  for (const auto& [name, node] : nodes) {
    if (!node->judge->synced() && !Outlives(*node)) continue;
    if (node->fleet()) {
      if (!DraftFleet(host, *node, builder, frozen, draft)) return false;
    } else if (node->host == host.id) {
      if (!DraftOwn(host, builder, frozen, draft)) return false;
    }
  }
  if (synced) host.manifest->record().set_relearnt(false);
  return true;
}

void Hub::Impl::ForgetUnlisted(HostState& host) {
  host.unexplained.reset();
  host.unlisted_since.reset();
  host.unlisted.Cancel();
}

bool Hub::Impl::IsUnapplied(const HostState& host, const PodUid& uid) const {
  const Pod* pod = book.Find(uid);
  const bool told = pod != nullptr && (pod->workload || pod->refusal || pod->stop || pod->gone);
  if (told || unknown_stops.count(uid) != 0 || host.manifest->Holds(uid)) return false;
  return std::any_of(nodes.begin(), nodes.end(),
                     [&uid](const auto& entry) { return entry.second->judge->Presents(uid); });
}

// A pod that both sides have forgotten can not be asked for by its name, as other missing ones are: it has to
// stay missing for as long as they, from lists that lack nothing else.
bool Hub::Impl::AwaitsUnlisted(HostState& host) {
  const bool doubted = std::any_of(nodes.begin(), nodes.end(),
                                   [](const auto& entry) { return entry.second->judge->Misses(); });
  // It says so once its runtime has answered. One whose runtime does not is not waited for.
  if (!host.unexplained) return doubted || host.content.armed();
  std::size_t unapplied = 0;
  std::size_t unlisted = 0;
  for (const PodUid& uid : *host.unexplained) {
    if (IsUnapplied(host, uid))
      ++unapplied;
    else if (book.Find(uid) == nullptr && unknown_stops.count(uid) == 0)
      ++unlisted;
  }
  if (unapplied > 0) {
    host.unlisted_since.reset();
    host.unlisted.Cancel();
    SetTakes(host, false, "UnappliedPodsRun",
             "the host lost its store and runs " + std::to_string(unapplied) +
                 " pods that this hub does not know and the API server lists, but that the shim can not "
                 "show: a ConfigMap or Secret that they need is missing; they run on, and nothing is sent to "
                 "the host, until it is there or they are deleted");
    return true;
  }
  if (unlisted == 0) return false;
  if (!host.unlisted_since || doubted) host.unlisted_since = d.loop.Now();
  const MonotonicTime until = *host.unlisted_since + options.orphan_confirm;
  if (until <= d.loop.Now()) return false;
  if (!doubted) host.unlisted.Set(until - d.loop.Now(), [&host] { host.manifest->Touch(); });
  SetTakes(
      host, false, "UnlistedPodsRun",
      "the host lost its store and runs " + std::to_string(unlisted) +
          " pods that neither this hub nor the API server's list knows; they run on, and nothing is sent to "
          "it, until "
          "the list shows them or has lacked them for " +
          std::to_string(std::chrono::duration_cast<std::chrono::seconds>(options.orphan_confirm).count()) +
          " s");
  return true;
}

bool Hub::Impl::DraftOwn(HostState& host, const DeploymentBuilder& builder, bool frozen,
                         ManifestDraft& draft) {
  for (const Pod* pod : book.OnNode(host.node)) {
    const auto former = draft.base.find(pod->uid);
    const v1::Deployment* held = former == draft.base.end() ? nullptr : &former->second;
    if (pod->gone || (host.amnesiac && pod->finished)) continue;
    std::optional<v1::Deployment> next;
    if (held != nullptr || !frozen) next = builder.Build(*pod, Here(*pod), held, draft.blobs);
    if (!next && host.amnesiac) {
      // It may run there, started by a manifest that both sides have lost.
      if (pod->stop)
        next = StopEntry(*pod);
      else if (pod->workload && (frozen ? host.MayRun(pod->uid) : host.content.armed()))
        return false;
    }
    if (next) draft.deployments.emplace(pod->uid, *std::move(next));
  }
  return true;
}

bool Hub::Impl::DraftFleet(HostState& host, const NodeState& node, const DeploymentBuilder& builder,
                           bool frozen, ManifestDraft& draft) {
  for (Pod* pod : book.OnNode(node.name)) {
    const auto former = draft.base.find(pod->uid);
    const v1::Deployment* held = former == draft.base.end() ? nullptr : &former->second;
    auto it = pod->instances.find(host.id);
    // What nobody wants there may run there all the same: the manifest holds it, or both sides have lost it.
    const bool stray = held != nullptr || (host.amnesiac && pod->stop && !pod->gone);
    if (it == pod->instances.end() && !stray) continue;
    if (it == pod->instances.end()) {
      it = pod->instances.emplace(host.id, Instance()).first;
      it->second.stop = GraceOf(*pod);
    }
    Instance& instance = it->second;
    const bool leaves = instance.stop || pod->stop;
    const bool wanted = instance.targeted && instance.superseded.empty() && !leaves;
    if (instance.gone || (host.amnesiac && (pod->finished || instance.finished))) continue;
    const std::optional<std::string> wait =
        held == nullptr && wanted && !frozen ? WaitsForPlace(host, *pod) : std::nullopt;
    if (wait.value_or("") != instance.waits) {
      instance.waits = wait.value_or("");
      SummarizeLater(pod->uid);
    }
    std::optional<v1::Deployment> next;
    if (held != nullptr || (wanted && !frozen && !wait))
      next = builder.Build(*pod, Here(*pod, instance), held, draft.blobs);
    if (!next && host.amnesiac) {
      if (leaves) {
        next = StopEntry(*pod);
        next->set_node(node.name.value());
        next->mutable_stop()->set_grace_seconds(Here(*pod, instance).stop.value_or(0));
      } else if (wanted && pod->workload && (frozen ? host.MayRun(pod->uid) : host.content.armed())) {
        return false;
      }
    }
    if (next) draft.deployments.emplace(pod->uid, *std::move(next));
  }
  return true;
}

void Hub::Impl::Deliver(HostState& host, const std::map<Digest, std::string>& fresh) {
  host.lost.clear();
  HostSession& session = *links.Find(host.id);
  // Before the manifest, so that the host stores both in one write.
  for (const auto& [digest, bytes] : fresh) {
    v1::HubMessage message;
    v1::Blob& blob = *message.mutable_blob();
    blob.set_digest(digest.value());
    blob.set_total(bytes.size());
    blob.set_data(bytes);
    session.Send(std::move(message));
  }
  session.Deliver(host.manifest->record().manifest(), host.manifest->generation());
  WriteHostStatusLater(host);
}

void Hub::Impl::OnAccepted(const HostId& id, const v1::Accepted& accepted) {
  HostState& host = *FindHost(id);
  const Generation generation = FromProto(accepted.generation());
  if (generation == host.manifest->generation() && Digest(accepted.digest()) == host.manifest->digest()) {
    return OnHolds(host, generation);
  }
  if (host.amnesiac || host.awaiting_proof || !IsForgotten(host, generation, Digest(accepted.digest())))
    return;
  // Somebody played back what this hub signed before it lost its store.
  LogWarning("host accepted a manifest that the hub does not know",
             {{"host", id}, {"claimed", generation}, {"gen", host.manifest->generation()}});
  host.awaiting_proof = true;
  AskForProof(host);
}

void Hub::Impl::OnHolds(HostState& host, const Generation& generation) {
  SetTakes(host, true, "Accepted", "");
  if (host.accepted == generation && !host.amnesiac) return;
  host.accepted = generation;
  host.amnesiac = false;
  host.manifest->SetHostStore(host.store, false);
  host.content.Cancel();
  ForgetUnlisted(host);
  WatchShown(host);
  PurgeTombstones(host);
  SettleStops(host);
  SettleUnknownStops();
  OnHostChanged(host);
  WriteHostStatusLater(host);
}

void Hub::Impl::OnRejected(const HostId& id, const v1::Rejected& rejected) {
  HostState& host = *FindHost(id);
  // A stale one is settled below, and what an amnesiac host refuses was not made for it.
  if (rejected.code() != v1::Rejected::STALE_GENERATION) {
    SetTakes(host, false, ReasonOf(rejected.code()),
             "the host refuses its manifest and runs the former one: " + rejected.message());
  }
  if (rejected.code() != v1::Rejected::STALE_GENERATION || host.amnesiac) return;
  if (rejected.has_held()) return OnProof(host, rejected.held());
  host.awaiting_proof = true;
  AskForProof(host);
}

void Hub::Impl::OnReply(const HostId& id, const v1::Reply& reply) {
  if (reply.has_manifest()) return OnProof(*FindHost(id), reply.manifest());
  if (reply.has_log()) return log_readings.OnReply(id, reply);
  tails.OnReply(id, reply);
  if (reply.code() == 0) return;
  streams.OnFailure(id, reply.request_id(),
                    absl::Status(static_cast<absl::StatusCode>(reply.code()), reply.message()));
}

void Hub::Impl::OnStatus(const HostId& id, const v1::StatusReport& report) {
  HostState& host = *FindHost(id);
  const Generation observed = FromProto(report.observed());
  // Says the same as an Accepted that was lost.
  if (observed == host.manifest->generation() && host.known()) OnHolds(host, observed);
  host.reported = true;
  if (host.amnesiac && report.has_unexplained()) {
    const auto& uids = report.unexplained().uids();
    std::set<PodUid> runs(uids.begin(), uids.end());
    const bool news = host.unexplained != runs;
    host.unexplained = std::move(runs);
    host.manifest->Touch();
    if (news) SettleFleetStops();
  }
  for (const v1::WorkloadStatus& status : report.workloads()) OnWorkloadStatus(host, status);
  if (!report.has_node() || report.node().SerializeAsString() == host.facts.SerializeAsString()) return;
  host.facts = report.node();
  host.has_facts = true;
  ReportNodeOf(host);
  RetargetLater(host.id);
  WriteHostStatusLater(host);
}

void Hub::Impl::OnReachChanged(const HostId& id) {
  HostState* host = FindHost(id);
  if (host == nullptr) return;
  const HostSession& session = *links.Find(id);
  if (session.last_seen() != 0) host->manifest->record().set_last_seen(session.last_seen());
  if (!session.connected()) tails.OnDisconnected(id);
  // Connected is reported with what the Birth says, and a break that may be over soon not at all.
  if (session.reach() != Reach::kUnreachable) return;
  if (!host->away) host->away = d.loop.Now();
  WatchShown(*host);
  CloseStreams(
      id, absl::UnavailableError("host " + id.value() + " is not reachable: " + session.link()->message()));
  ReportNodeOf(*host);
  OnHostChanged(*host);
  SettleFleetStops();
  SettleUnknownStops();
  WriteHostStatus(*host);
}

absl::StatusOr<std::string> Hub::Impl::ReadBlob(const HostId& id, const Digest& digest) {
  absl::StatusOr<std::string> bytes = shelf.Read(digest);
  if (bytes.ok()) return bytes;
  // Made anew, where its content is known: a hub that lost its store has sealed nothing yet.
  HostState& host = *FindHost(id);
  host.lost.insert(digest);
  shelf.Missing(digest);
  host.manifest->Touch();
  return bytes;
}

void Hub::Impl::OnCredentialRequest(const HostId& id, const v1::CredentialRequest& request) {
  const Pod* pod = book.Find(PodUid(request.uid()));
  if (pod == nullptr || (pod->node.value() != id.value() && pod->instances.count(id) == 0)) return;
  const auto token = pod->tokens.find(request.name());
  if (token != pod->tokens.end()) SendToken(*FindHost(id), *pod, token->second);
}

void Hub::Impl::SendTokens(HostState& host) {
  for (const auto& [uid, pod] : book.pods()) {
    if (pod.tokens.empty() || (pod.node != host.node && pod.instances.count(host.id) == 0)) continue;
    for (const auto& [name, token] : pod.tokens) SendToken(host, pod, token);
  }
}

void Hub::Impl::SendToken(HostState& host, const Pod& pod, const v1::TokenApply& token) {
  HostSession& session = *links.Find(host.id);
  if (!session.connected()) return;
  const absl::StatusOr<v1::SealedBlob> sealed =
      Seal(host.manifest->record().sealing_public_key(),
           {options.hub_id, host.id, pod.uid, ContentId(token.name())}, token.token());
  if (!sealed.ok()) {
    LogError("token not sealed", {{"host", host.id}, {"uid", pod.uid}, {"why", Describe(sealed.status())}});
    return;
  }
  v1::HubMessage message;
  v1::Credential& credential = *message.mutable_credential();
  credential.set_uid(pod.uid.value());
  credential.set_name(token.name());
  *credential.mutable_sealed() = *sealed;
  credential.set_expires(token.expires());
  session.Send(std::move(message));
}

}  // namespace slicelet::provider
