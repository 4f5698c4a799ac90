#include "kubelet-shim/shim/shim.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "common/log/log.h"
#include "kubelet-shim/node/leader_lease.h"
#include "kubelet-shim/node/node_removal.h"
#include "kubelet-shim/shim/pod_queries.h"
#include "kubelet-shim/shim/provider_session.h"
#include "kubelet-shim/shim/slice_node.h"

namespace slicelet::shim {
namespace {

/// Before a refused shim tries to lead again: the provider's other shim may be about to go.
constexpr Backoff::Options kLeadAgain{.base = std::chrono::seconds(2), .cap = std::chrono::seconds(60)};

v1::ShimMessage ToMessage(const ReferentKey& key, const Referent& referent) {
  v1::ShimMessage message;
  v1::ReferentApply& apply = *message.mutable_referent_apply();
  apply.set_kind(KindName(key.kind));
  apply.set_namespace_(key.ns);
  apply.set_name(key.name);
  apply.set_resource_version(referent.resource_version);
  apply.set_type(referent.type);
  *apply.mutable_content() = ContentOf(referent);
  return message;
}

}  // namespace

struct Shim::Impl {
  Impl(Options options, Dependencies dependencies)
      : options(std::move(options)),
        deps(dependencies),
        refusals(deps.loop),
        lead_again(deps.loop),
        lead_backoff(kLeadAgain, deps.random) {}

  void Start();
  std::unique_ptr<LeaderLease> MakeLease();
  void StartLeading(std::uint64_t incarnation);
  /// Nothing is written or sent after it returns.
  void StopLeading();
  void OnRefused(std::uint64_t highest);
  void OnReady();
  void OnMessage(v1::ProviderMessage message);
  void OnDeclare(v1::NodeDeclare declare);
  void OnRetire(const std::string& name);
  /// Ends what is done for a node; its object and its pods stay.
  void LetGo(const std::string& name);
  [[nodiscard]] SliceNode* Find(const std::string& node) const;
  [[nodiscard]] PodSync* PodsOf(const std::string& node) const;

  /// Everything that exists only while this shim leads.
  struct Reign {
    explicit Reign(Impl& impl);

    void Send(v1::ShimMessage message) {
      if (session) session->Send(std::move(message));
    }

    // Outlives the nodes, which let go of their referents when they go.
    std::unique_ptr<ProviderSession> session;
    ReferentCache referents;
    ServiceCache services;
    SliceNode::Shared shared;
    std::map<std::string, std::unique_ptr<SliceNode>> nodes;
    /// Of nodes that were given up.
    std::map<std::string, std::unique_ptr<NodeRemoval>> removals;
  };

  const Options options;
  const Dependencies deps;
  RefusalSpacing refusals;
  std::unique_ptr<LeaderLease> lease;
  /// The highest incarnation the provider was heard to know.
  std::uint64_t lease_floor = 0;
  std::unique_ptr<Reign> reign;
  Timer lead_again;
  Backoff lead_backoff;
  Lifetime lifetime;
};

Shim::Impl::Reign::Reign(Impl& impl)
    : referents(impl.deps.loop, impl.deps.random, {.refresh = impl.options.referent_refresh},
                {.on_present = [this](const ReferentKey& key,
                                      const Referent& referent) { Send(ToMessage(key, referent)); },
                 .on_released =
                     [this](const ReferentKey& key) {
                       v1::ShimMessage message;
                       v1::ReferentDelete& gone = *message.mutable_referent_delete();
                       gone.set_kind(KindName(key.kind));
                       gone.set_namespace_(key.ns);
                       gone.set_name(key.name);
                       Send(std::move(message));
                     }}),
      services(
          impl.deps.loop, impl.deps.random,
          [this] {
            for (const auto& [name, node] : nodes) node->OnServices();
          },
          [this] {
            for (const auto& [name, node] : nodes) node->OnSelectors();
          }),
      shared{.loop = impl.deps.loop,
             .clock = impl.deps.clock,
             .random = impl.deps.random,
             .options = impl.options,
             .controller = impl.deps.controller,
             .identity = impl.deps.identity,
             .referents = referents,
             .refusals = impl.refusals,
             .services = services,
             .send = [this](v1::ShimMessage message) { Send(std::move(message)); }} {}

void Shim::Impl::Start() {
  if (options.standalone_incarnation != 0) {
    StartLeading(options.standalone_incarnation);
    return;
  }
  // One that was given back stays stopped.
  lease = MakeLease();
  lease->Start();
}

std::unique_ptr<LeaderLease> Shim::Impl::MakeLease() {
  LeaderLease::Options lease_options;
  lease_options.ns = options.ns;
  lease_options.name = "slicelet-" + options.hub_id;
  lease_options.identity = options.shim_id;
  lease_options.duration = options.leader_lease;
  lease_options.floor = lease_floor;
  LeaderLease::Handler handler;
  handler.on_acquired = [this](std::uint64_t incarnation) { StartLeading(incarnation); };
  handler.on_lost = [this](const std::string& reason) {
    LogWarning("leader lease lost", {{"shim", options.shim_id}, {"reason", reason}});
    StopLeading();
  };
  return std::make_unique<LeaderLease>(std::move(lease_options), deps.loop, deps.clock, deps.random,
                                       deps.lease != nullptr ? *deps.lease : deps.controller,
                                       std::move(handler));
}

void Shim::Impl::StartLeading(std::uint64_t incarnation) {
  if (reign) return;
  LogInfo("shim leads", {{"shim", options.shim_id}, {"incarnation", incarnation}});
  reign = std::make_unique<Reign>(*this);
  v1::Hello hello;
  hello.set_shim_id(options.shim_id);
  hello.set_incarnation(incarnation);
  reign->session = std::make_unique<ProviderSession>(
      deps.loop, deps.random, deps.provider, std::move(hello),
      ProviderSession::Handler{
          .on_ready = [this] { OnReady(); },
          .on_message = [this](v1::ProviderMessage message) { OnMessage(std::move(message)); },
          .on_lost =
              [this] {
                for (const auto& [name, node] : reign->nodes) node->OnSessionLost();
              },
          .on_refused = [this](std::uint64_t highest) { OnRefused(highest); }});
  reign->session->Start();
}

void Shim::Impl::StopLeading() {
  if (!reign) return;
  LogInfo("shim stops leading", {{"shim", options.shim_id}});
  // The session first, so that what the nodes let go of is not told.
  reign->session.reset();
  reign.reset();
}

void Shim::Impl::OnRefused(std::uint64_t highest) {
  StopLeading();
  // Who holds the lease is right, whatever its count: a restored cluster has an older one than the provider
  // remembers. Each acquisition has a higher incarnation than the one before.
  lease_floor = std::max(lease_floor, highest);
  if (lease) lease->Release([] {});
  lead_again.Set(lead_backoff.Next(), [this] { Start(); });
}

void Shim::Impl::OnReady() {
  lead_backoff.Reset();
  reign->referents.ForEachPresent(
      [this](const ReferentKey& key, const Referent& referent) { reign->Send(ToMessage(key, referent)); });
}

void Shim::Impl::OnMessage(v1::ProviderMessage message) {
  switch (message.message_case()) {
    case v1::ProviderMessage::kNodeDeclare:
      OnDeclare(std::move(*message.mutable_node_declare()));
      break;
    case v1::ProviderMessage::kNodeRetire:
      OnRetire(message.node_retire().name());
      break;
    case v1::ProviderMessage::kNodesSynced:
      LogInfo("nodes synced", {{"nodes", static_cast<std::uint64_t>(reign->nodes.size())}});
      break;
    case v1::ProviderMessage::kNodeReport:
      if (SliceNode* node = Find(message.node_report().name())) node->OnReport(message.node_report());
      break;
    case v1::ProviderMessage::kPodReport:
      if (PodSync* pods = PodsOf(message.pod_report().node())) {
        pods->OnReport(std::move(*message.mutable_pod_report()));
      }
      break;
    case v1::ProviderMessage::kPodGone:
      if (PodSync* pods = PodsOf(message.pod_gone().node())) pods->OnGone(message.pod_gone());
      break;
    case v1::ProviderMessage::kEvent:
      if (PodSync* pods = PodsOf(message.event().node())) pods->OnEvent(message.event());
      break;
    case v1::ProviderMessage::kConfirmPod:
      if (PodSync* pods = PodsOf(message.confirm_pod().node())) pods->OnConfirm(message.confirm_pod());
      break;
    case v1::ProviderMessage::kHelloAck:
    case v1::ProviderMessage::MESSAGE_NOT_SET:
      break;
  }
}

void Shim::Impl::OnDeclare(v1::NodeDeclare declare) {
  const std::string name = declare.name();
  if (name.empty()) {
    LogWarning("provider declared a node without a name");
    return;
  }
  reign->removals.erase(name);
  auto& node = reign->nodes[name];
  const bool fresh = node == nullptr;
  if (fresh) {
    LogInfo("node declared", {{"node", name}, {"host", declare.host()}});
    node = std::make_unique<SliceNode>(reign->shared, declare);
  }
  node->OnDeclare(std::move(declare));
  if (fresh) node->Start();
}

void Shim::Impl::OnRetire(const std::string& name) {
  LogInfo("node retired", {{"node", name}});
  LetGo(name);
  deps.identity.Retire(name);
  auto& removal = reign->removals[name];
  // Said again: it is being removed.
  if (removal) return;
  removal = std::make_unique<NodeRemoval>(name, options.hub_id, deps.loop, deps.random, deps.controller,
                                          [this, name] {
                                            v1::ShimMessage message;
                                            message.mutable_node_retired()->set_name(name);
                                            reign->Send(std::move(message));
                                            reign->removals.erase(name);
                                          });
  removal->Start();
}

void Shim::Impl::LetGo(const std::string& name) {
  const auto it = reign->nodes.find(name);
  if (it == reign->nodes.end()) return;
  const bool read_services = it->second->api().get() == reign->services.api();
  reign->nodes.erase(it);
  if (!read_services) return;
  reign->services.Use(nullptr);
  for (const auto& [other, node] : reign->nodes) {
    if (!node->api()) continue;
    // Each would list them all.
    reign->services.Use(node->api());
    break;
  }
}

SliceNode* Shim::Impl::Find(const std::string& node) const {
  if (!reign) return nullptr;
  const auto it = reign->nodes.find(node);
  return it == reign->nodes.end() ? nullptr : it->second.get();
}

PodSync* Shim::Impl::PodsOf(const std::string& node) const {
  const SliceNode* found = Find(node);
  return found == nullptr ? nullptr : found->pods();
}

Shim::Shim(Options options, Dependencies dependencies)
    : impl_(std::make_unique<Impl>(std::move(options), dependencies)) {}

Shim::~Shim() { impl_->StopLeading(); }

void Shim::Start() { impl_->Start(); }

void Shim::Stop(std::function<void()> done) {
  impl_->lead_again.Cancel();
  impl_->StopLeading();
  if (impl_->lease) {
    impl_->lease->Release(std::move(done));
  } else {
    impl_->deps.loop.Post(std::move(done));
  }
}

std::vector<std::string> Shim::Nodes() const {
  std::vector<std::string> names;
  if (!impl_->reign) return names;
  for (const auto& [name, node] : impl_->reign->nodes) names.push_back(name);
  return names;
}

std::vector<kube::Json> Shim::Pods(const std::string& node) const { return DesiredPods(impl_->PodsOf(node)); }

std::vector<kube::Json> Shim::RunningPods(const std::string& node) const {
  return RunningPodsOf(impl_->PodsOf(node));
}

absl::StatusOr<std::string> Shim::FindContainer(const std::string& node, const std::string& ns,
                                                const std::string& pod, const std::string& uid,
                                                const std::string& container) const {
  return FindContainerIn(impl_->PodsOf(node), ns, pod, uid, container);
}

bool Shim::leading() const { return impl_->reign != nullptr; }

}  // namespace slicelet::shim
