#include "provider/hub/hub.h"

#include <algorithm>
#include <utility>

#include "common/log/log.h"
#include "provider/hub/hub_impl.h"
#include "provider/manifest/generation.h"

namespace slicelet::provider {
namespace {

constexpr int kIncarnationBytes = 8;
constexpr char kNoSchedule[] = "NoSchedule";
/// The scheduler looks elsewhere. What the host runs stays.
constexpr char kMaintenanceTaint[] = "slicelet.io/maintenance";

AddressPool Addresses(const std::string& cidr) {
  absl::StatusOr<AddressPool> pool = AddressPool::Make(cidr);
  if (pool.ok()) return *std::move(pool);
  // The configuration is checked before it comes here; a hub that shows no pod would be worse.
  LogError("bad pod address range, using the default", {{"why", Message(pool.status())}});
  return *AddressPool::Make(Hub::Options{}.pod_cidr);
}

std::uint64_t HighestShimIncarnation(const HubStore& store) {
  std::uint64_t highest = 0;
  for (const auto& [node, record] : store.loaded().nodes)
    highest = std::max(highest, record.shim_incarnation());
  return highest;
}

HostSession::Options LinkOptions(const Hub::Options& options, const std::string& incarnation) {
  return {.hub_id = options.hub_id,
          .incarnation = incarnation,
          .heartbeat = options.heartbeat,
          .status_batch = options.status_batch,
          .resume_grace = options.resume_grace,
          .key_certificates = options.key_certificates};
}

}  // namespace

Hub::Impl::Impl(Options the_options, Dependencies dependencies)
    : options(std::move(the_options)),
      d(dependencies),
      incarnation(d.random.Hex(kIncarnationBytes)),
      settings(d.store.loaded().settings),
      shelf(d.store),
      sealer(options.hub_id, options.tag_key),
      proof(options.hub_id, d.signer, options.key_certificates),
      book({.taint_key = options.taint_key, .api_access_default = options.api_access_default},
           Addresses(options.pod_cidr)),
      streams(d.loop, d.clock, d.random),
      log_readings(
          d.loop, d.clock, d.random,
          [this](const HostId& host, v1::Command command) { SendCommand(host, std::move(command)); }),
      tails(options.log_tails, d.loop, d.clock, d.random, d.store,
            [this](const HostId& host, v1::Command command) { SendCommand(host, std::move(command)); }),
      registry(d.loop, d.clock, d.random, d.kube, options.ns,
               [this](const std::set<HostId>& changed) { OnRegistryChanged(changed); }),
      links(LinkOptions(options, incarnation), d.loop, d.clock, d.hosts, *this),
      shims({.hub_id = options.hub_id,
             .incarnation = incarnation,
             .highest_incarnation = HighestShimIncarnation(d.store)},
            d.loop, d.shims, *this),
      save_statuses(d.loop),
      summarize(d.loop),
      report_fleets(d.loop),
      autonomy_ends(d.loop),
      tell_places(d.loop),
      sweep_tails(d.loop),
      write_again(d.loop) {
  Load();
}

Hub::Impl::~Impl() = default;

void Hub::Impl::Load() {
  const HubStore::Loaded& loaded = d.store.loaded();
  for (const auto& [host, record] : loaded.hosts) EnsureHost(host);
  for (const auto& [node, record] : loaded.nodes) {
    if (record.retired() && FindHost(HostId(node.value())) == nullptr) retiring.insert(node);
  }
  LoadFleets();
  for (const auto& [key, record] : loaded.statuses) {
    // What was pending is not worth remembering: Kubernetes shows that, or something newer.
    if (record.status().phase() == v1::PHASE_PENDING) continue;
    Pod* pod = book.Find(key.first);
    if (pod == nullptr) continue;
    const auto instance = pod->instances.find(key.second);
    if (instance != pod->instances.end())
      PodBook::SetStatus(instance->second, record.status());
    else if (pod->node.value() == key.second.value())
      PodBook::SetStatus(*pod, record.status());
  }
  SweepLogTails();
}

void Hub::Impl::SweepLogTails() {
  HubStore::Batch batch;
  tails.shelf().Sweep(
      [this](const PodUid& uid, const HostId& host) {
        const Pod* pod = book.Find(uid);
        return pod != nullptr && (pod->node.value() == host.value() || pod->instances.count(host) != 0);
      },
      batch);
  Commit(std::move(batch));
}

void Hub::Impl::Start() {
  started = d.loop.Now();
  if (settings.store_id().empty()) settings.set_store_id(d.random.Uuid());
  settings.set_incarnation(settings.incarnation() + 1);
  HubStore::Batch batch;
  batch.settings = settings;
  Commit(std::move(batch));
  LogInfo("hub started", {{"hub", options.hub_id},
                          {"incarnation", incarnation},
                          {"new_store", d.store.created()},
                          {"hosts", static_cast<std::uint64_t>(hosts.size())},
                          {"pods", static_cast<std::uint64_t>(book.pods().size())}});
  registry.Start();
  links.Start();
  shims.Start();
}

Hub::Impl::HostState& Hub::Impl::EnsureHost(const HostId& host) {
  std::unique_ptr<HostState>& state = hosts[host];
  if (state) return *state;
  state = std::make_unique<HostState>(host, d.loop);
  HostState& made = *state;

  static const HubStore::Loaded kNothing;
  const HubStore::Loaded& loaded = decommissioned.count(host) != 0 ? kNothing : d.store.loaded();
  const auto record = loaded.hosts.find(host);
  made.manifest = std::make_unique<HostManifest>(
      options.hub_id, host, record == loaded.hosts.end() ? v1::HostRecord() : record->second,
      HostManifest::Dependencies{d.loop, d.clock, d.store, shelf, d.signer},
      HostManifest::Callbacks{
          [this, &made](ManifestDraft& draft) { return Draft(made, draft); },
          [this, &made](const std::map<Digest, std::string>& fresh) { Deliver(made, fresh); }});
  EnsureNode(made.node, host);
  LearnDeployments(made);
  links.Add(host, made.manifest->record().highest_session());
  return made;
}

Hub::Impl::NodeState& Hub::Impl::EnsureNode(const NodeName& name, const HostId& host) {
  std::unique_ptr<NodeState>& state = nodes[name];
  if (state) return *state;
  state = std::make_unique<NodeState>(name, host, d.loop);
  if (state->fleet()) fleets.push_back(state.get());
  static const HubStore::Loaded kNothing;
  const HubStore::Loaded& loaded =
      decommissioned.count(HostId(name.value())) != 0 ? kNothing : d.store.loaded();
  v1::NodeRecord node;
  const auto stored = loaded.nodes.find(name);
  if (stored != loaded.nodes.end()) node = stored->second;
  node.set_node(name.value());
  const auto configured = [&name](const FleetNode& fleet) { return fleet.name == name.value(); };
  if (!host.empty() || std::any_of(options.fleet_nodes.begin(), options.fleet_nodes.end(), configured)) {
    // It is wanted again.
    node.set_retired(false);
    retiring.erase(name);
  }
  std::map<PodUid, v1::OrphanRecord> orphans;
  for (const auto& [uid, orphan] : loaded.orphans) {
    if (orphan.node() == name.value()) orphans.emplace(uid, orphan);
  }
  state->judge = std::make_unique<OrphanJudge>(OrphanJudge::Options{.confirm = options.orphan_confirm},
                                               std::move(node), std::move(orphans));
  return *state;
}

Hub::Impl::NodeState* Hub::Impl::FindNode(const NodeName& name) {
  const auto it = nodes.find(name);
  return it == nodes.end() ? nullptr : it->second.get();
}

bool Hub::Impl::Knows(const NodeState& node) const {
  return std::all_of(hosts.begin(), hosts.end(), [&](const auto& entry) {
    const HostState& host = *entry.second;
    if (!node.fleet() && node.host != host.id) return true;
    if (host.known()) return true;
    return node.fleet() && links.Find(host.id)->reach() == Reach::kUnreachable;
  });
}

Hub::Impl::HostState* Hub::Impl::FindHost(const HostId& host) {
  const auto it = hosts.find(host);
  return it == hosts.end() ? nullptr : it->second.get();
}

const Hub::Impl::HostState* Hub::Impl::FindHost(const HostId& host) const {
  const auto it = hosts.find(host);
  return it == hosts.end() ? nullptr : it->second.get();
}

void Hub::Impl::OnRegistryChanged(const std::set<HostId>& changed) {
  for (const HostId& id : changed) {
    const absl::Status may = Admit(id);
    const bool known = FindHost(id) != nullptr;
    if (!known && !may.ok()) continue;
    HostState& host = EnsureHost(id);
    const EdgeHost* object = registry.Find(id);
    NodeState* node = FindNode(host.node);
    const bool differs =
        object != nullptr && node != nullptr && !node->fleet() && object->maintenance != node->maintenance;
    if (declared && (!known || differs)) DeclareNode(*node);
    if (declared && !known) ReportNodeOf(host);
    if (!may.ok()) {
      const char* reason = object == nullptr ? "Deleted" : object->revoked ? "Revoked" : "NotApproved";
      LogWarning("host may not connect any more", {{"host", id}, {"why", Message(may)}});
      links.Find(id)->Close(reason, Message(may));
      CloseStreams(id, absl::UnavailableError(Message(may)));
      if (!absl::IsUnavailable(may)) links.Forget(id);
    }
    host.manifest->Touch();
    ReportWaiting(host);
    RetargetLater(id);
  }
  if (shims.connected() && !declared) DeclareNodes();
  links.Readmit();
  RetargetSoon();
  ReportFleetsLater();
}

void Hub::Impl::DeclareNodes() {
  if (!registry.listed()) return;
  declared = true;
  for (const auto& [name, node] : nodes) DeclareNode(*node);
  RetireNodes();
  v1::ProviderMessage done;
  done.mutable_nodes_synced();
  shims.Send(std::move(done));
  for (const auto& [name, node] : nodes) ReportNode(*node);
}

void Hub::Impl::RetireNodes() {
  for (const NodeName& node : retiring) {
    v1::ProviderMessage message;
    message.mutable_node_retire()->set_name(node.value());
    shims.Send(std::move(message));
  }
}

bool Hub::Impl::Declares(const NodeState& node) const {
  return node.fleet() ? node.selection.has_value() : options.host_nodes;
}

void Hub::Impl::DeclareNode(NodeState& declared_node) {
  if (!Declares(declared_node)) return;
  v1::ProviderMessage message;
  v1::NodeDeclare& node = *message.mutable_node_declare();
  node.set_name(declared_node.name.value());
  node.set_host(declared_node.host.value());
  const auto own = slices.find(declared_node.name);
  const std::string& slice = own == slices.end() ? options.slice : own->second;
  node.set_slice(slice);
  auto& labels = *node.mutable_labels();
  labels["slicelet.io/hub"] = options.hub_id;
  labels["slicelet.io/slice"] = slice;
  labels["type"] = "virtual-kubelet";
  labels["node.kubernetes.io/exclude-disruption"] = "true";
  v1::Taint& taint = *node.add_taints();
  taint.set_key(options.taint_key);
  taint.set_value(options.hub_id);
  taint.set_effect(kNoSchedule);
  const EdgeHost* object = declared_node.fleet() ? nullptr : registry.Find(declared_node.host);
  declared_node.maintenance = object != nullptr && object->maintenance;
  if (declared_node.maintenance) {
    v1::Taint& maintenance = *node.add_taints();
    maintenance.set_key(kMaintenanceTaint);
    maintenance.set_effect(kNoSchedule);
  }
  shims.Send(std::move(message));
}

void Hub::Impl::ReportNodeOf(const HostState& host) {
  if (const NodeState* node = FindNode(host.node)) ReportNode(*node);
  ReportFleetsLater();
}

void Hub::Impl::ReportNode(const NodeState& node) {
  if (!declared || !Declares(node)) return;
  if (node.fleet()) return ReportFleet(node);
  const HostState& host = *FindHost(node.host);
  const HostSession& session = *links.Find(host.id);
  const std::optional<v1::Condition> link = session.link();
  // The hub has just started: what the node object says is better than what we know.
  if (!link) return;
  v1::ProviderMessage message;
  v1::NodeReport& report = *message.mutable_node_report();
  report.set_name(host.node.value());
  if (host.has_facts) *report.mutable_facts() = host.facts;
  report.set_boot_id(host.manifest->record().boot_id());
  report.set_agent_version(host.agent_version);
  *report.mutable_link() = *link;
  *report.mutable_held() = node.judge->held();
  if (!host.takes.type().empty()) *report.add_conditions() = host.takes;
  report.set_last_seen(session.last_seen() != 0 ? session.last_seen() : host.manifest->record().last_seen());
  shims.Send(std::move(message));
}

void Hub::Impl::WriteHostStatus(HostState& host) {
  host.status_later.Cancel();
  const HostSession& session = *links.Find(host.id);
  const std::optional<v1::Condition> link = session.link();
  if (!link) return;
  HostStatus status;
  status.link = link->status() ? "Connected" : "Disconnected";
  status.reason = link->status() ? "" : link->reason();
  status.message = link->message();
  status.facts = host.facts;
  status.agent_version = host.agent_version;
  if (host.has_facts) status.tags = host.tags;
  status.workloads = static_cast<std::int32_t>(host.manifest->deployments().size());
  status.last_seen = session.last_seen();
  status.generation = host.manifest->generation();
  status.accepted = host.accepted;
  registry.SetStatus(host.id, status);
}

void Hub::Impl::WriteHostStatusLater(HostState& host) {
  if (host.status_later.armed()) return;
  host.status_later.Set(kHostStatus, [this, &host] { WriteHostStatus(host); });
}

Hub::Hub(Options options, Dependencies dependencies)
    : impl_(std::make_unique<Impl>(std::move(options), dependencies)) {}
Hub::~Hub() = default;
void Hub::Start() { impl_->Start(); }
void Hub::OnTunnel(const HostId& host, const std::string& request_id, std::shared_ptr<FrameStream> tunnel) {
  impl_->streams.OnTunnel(host, request_id, std::move(tunnel));
}
void Hub::OnStream(const v1::StreamHead& head, std::shared_ptr<FrameStream> stream) {
  impl_->OnStream(head, std::move(stream));
}
v1::ListHostsReply Hub::ListHosts() const { return impl_->ListHosts(); }
absl::StatusOr<v1::PodHostsReply> Hub::PodHosts(const v1::PodHostsRequest& request) const {
  return impl_->PodHosts(request);
}
absl::StatusOr<v1::ExplainPodReply> Hub::ExplainPod(const v1::ExplainPodRequest& request) const {
  return impl_->ExplainPod(request);
}
v1::ListOrphansReply Hub::ListOrphans() const { return impl_->ListOrphans(); }
absl::StatusOr<v1::DecideOrphansReply> Hub::DecideOrphans(const v1::DecideOrphansRequest& request) {
  return impl_->DecideOrphans(request);
}
absl::Status Hub::DecommissionNode(const v1::DecommissionNodeRequest& request) {
  return impl_->DecommissionNode(request);
}
Generation Hub::GenerationOf(const HostId& host) const {
  const Impl::HostState* state = impl_->FindHost(host);
  return state == nullptr ? Generation{} : state->manifest->generation();
}

}  // namespace slicelet::provider
