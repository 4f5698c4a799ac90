#include "tests/sim/machines.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "kube/object.h"
#include "kube/testing/forwarding_kube_api.h"
#include "tests/sim/crypto.h"
#include "tests/sim/fleet.h"
#include "tests/sim/tap.h"

namespace slicelet::sim {

using kube::Json;

Surroundings::Surroundings(std::uint64_t seed, Kind kind, Plant plant, bool told)
    : seed(seed),
      kind(kind),
      plant(plant),
      story(loop, told),
      clock(loop),
      network(RandomFor("network")),
      cluster(RandomFor("cluster")),
      shim_link(loop, network),
      api(loop, clock, cluster),
      root(MakeSignerFromSeed(std::string(32, 'r'))),
      signer(MakeSignerFromSeed(std::string(32, 's'))),
      hosts(kind.broker ? MakeBrokerNetwork(loop, network, *root, story) : MakeStreamNetwork(loop, network)),
      certificate(CertifyKey(*root, kHubId, signer->public_key(), "manifest", 1)) {
  if (kind.controllers) iot = std::make_unique<IotService>(loop, RandomFor("iot"), story);
}

SeededRandom Surroundings::RandomFor(const std::string& who) const {
  // FNV-1a, because std::hash differs between libraries.
  std::uint64_t hash = 14'695'981'039'346'656'037ULL ^ seed;
  for (const char c : who) hash = (hash ^ static_cast<unsigned char>(c)) * 1'099'511'628'211ULL;
  return SeededRandom(hash);
}

// ---- The provider

namespace {

/// Both shims have the certificate of "slicelet-shim"; the link tells them apart by their machines.
class ShimAcceptor : public provider::Hub::ShimAcceptor {
 public:
  explicit ShimAcceptor(std::unique_ptr<provider::Hub::ShimAcceptor> inner) : inner_(std::move(inner)) {}
  void Start(OnAccept on_accept) override {
    inner_->Start([on_accept = std::move(on_accept)](std::unique_ptr<Pipe> pipe, const std::string&) {
      return on_accept(std::move(pipe), "slicelet-shim");
    });
  }

 private:
  std::unique_ptr<provider::Hub::ShimAcceptor> inner_;
};

}  // namespace

struct ProviderMachine::Process {
  explicit Process(ProviderMachine& machine, provider::Hub::Options options)
      : random(machine.around_.RandomFor("provider." + std::to_string(machine.lives_))),
        hosts(machine.around_.hosts->MakeAcceptor(machine.around_.clock, random)),
        shims(std::make_unique<ShimAcceptor>(machine.around_.shim_link.MakeAcceptor())),
        kube(machine.around_.api.ApiAs("slicelet:provider")),
        hub(std::move(options), {.loop = machine.around_.loop,
                                 .clock = machine.around_.clock,
                                 .random = random,
                                 .store = machine.store_,
                                 .signer = *machine.around_.signer,
                                 .kube = *kube,
                                 .hosts = *hosts,
                                 .shims = *shims}) {
    if (machine.around_.kind.controllers)
      controllers = std::make_unique<ControllersLife>(machine.around_, random, hub);
  }

  SeededRandom random;
  std::unique_ptr<provider::Hub::HostAcceptor> hosts;
  std::unique_ptr<provider::Hub::ShimAcceptor> shims;
  std::unique_ptr<kube::KubeApi> kube;
  provider::Hub hub;
  std::unique_ptr<ControllersLife> controllers;
};

ProviderMachine::ProviderMachine(Surroundings& around) : around_(around), store_(around.loop) {}
ProviderMachine::~ProviderMachine() = default;

provider::Hub* ProviderMachine::hub() { return process_ ? &process_->hub : nullptr; }

void ProviderMachine::Start() {
  if (process_) return;
  ++lives_;
  if (lives_ > 1) store_.Open();
  provider::Hub::Options options;
  options.hub_id = kHubId;
  options.tag_key = std::string(32, 't');
  options.key_certificates = {around_.certificate};
  options.log_tails.rule.set_at_exit(true);
  if (around_.kind.fleet) options.fleet_nodes = {{kFleet, "*"}};
  around_.story.Tell("provider starts");
  process_ = std::make_unique<Process>(*this, std::move(options));
  process_->hub.Start();
  if (process_->controllers) process_->controllers->Start();
}

void ProviderMachine::Kill() {
  if (!process_) return;
  around_.story.Tell("provider killed");
  process_.reset();
  store_.Crash();
}

void ProviderMachine::KillAtCrashPoint(provider::MemoryHubStore::Point point, int nth) {
  store_.OnPoint([this, point, left = nth](provider::MemoryHubStore::Point at) mutable {
    if (struck_ || at != point || left < 0 || --left > 0) return;
    left = -1;
    struck_ = true;
    store_.Crash();
  });
}

bool ProviderMachine::TakeStruck() {
  const bool by_call = std::exchange(around_.controller_faults.struck, false);
  return std::exchange(struck_, false) || by_call;
}

// ---- The shim

namespace {

/// Can show empty lists of pods.
class FaultyApi : public kube::ForwardingKubeApi {
 public:
  FaultyApi(Surroundings& around, std::unique_ptr<kube::KubeApi> inner)
      : ForwardingKubeApi(std::move(inner)), around_(around) {}

  void List(const kube::Resource& resource, const std::string& ns, const kube::ListOptions& options,
            Callback<kube::ObjectList> done) override {
    if (resource != kube::kPods) return ForwardingKubeApi::List(resource, ns, options, std::move(done));
    ForwardingKubeApi::List(
        resource, ns, options,
        [empty = around_.empty_lists, done = std::move(done)](absl::StatusOr<kube::ObjectList> list) {
          if (empty && list.ok()) list->items.clear();
          done(std::move(list));
        });
  }

 private:
  Surroundings& around_;
};

class SimIdentity : public shim::NodeIdentity {
 public:
  explicit SimIdentity(Surroundings& around) : around_(around) {}

  void ApiFor(const std::string& node, Callback<std::shared_ptr<kube::KubeApi>> done) override {
    around_.loop.Post(lifetime_.Guard([this, node, done = std::move(done)] {
      done(std::make_shared<FaultyApi>(around_, around_.api.ApiAs("system:node:" + node)));
    }));
  }
  void EndpointFor(const std::string&, Callback<Endpoint> done) override {
    around_.loop.Post(lifetime_.Guard([done = std::move(done)] { done(Endpoint{"10.0.0.10", 10'250}); }));
  }
  void Retire(const std::string&) override {}

 private:
  Surroundings& around_;
  Lifetime lifetime_;
};

}  // namespace

struct ShimMachine::Process {
  Process(ShimMachine& machine, shim::Shim::Options options)
      : random(machine.around_.RandomFor(machine.id_ + "." + std::to_string(machine.lives_))),
        controller(machine.around_, machine.around_.api.ApiAs("slicelet:shim")),
        identity(machine.around_),
        connector(
            machine.around_.shim_link.MakeConnector(machine.id_),
            [&machine](v1::ShimMessage message) { return machine.OnSend(std::move(message)); },
            [](v1::ProviderMessage message) { return std::vector<v1::ProviderMessage>{std::move(message)}; }),
        shim(std::move(options), {.loop = machine.around_.loop,
                                  .clock = machine.around_.clock,
                                  .random = random,
                                  .controller = controller,
                                  .identity = identity,
                                  .provider = connector}) {}

  SeededRandom random;
  FaultyApi controller;
  SimIdentity identity;
  TapConnector<v1::ShimMessage, v1::ProviderMessage> connector;
  shim::Shim shim;
};

ShimMachine::ShimMachine(Surroundings& around, const std::string& id) : around_(around), id_(id) {}
ShimMachine::~ShimMachine() = default;

const shim::Shim* ShimMachine::shim() const { return process_ ? &process_->shim : nullptr; }

void ShimMachine::Start() {
  if (process_) return;
  ++lives_;
  shim::Shim::Options options;
  options.shim_id = id_ + "-" + std::to_string(lives_);
  options.hub_id = kHubId;
  options.version = "sim";
  around_.story.Tell(id_ + " starts");
  process_ = std::make_unique<Process>(*this, std::move(options));
  process_->shim.Start();
}

void ShimMachine::Kill() {
  if (!process_) return;
  around_.story.Tell(id_ + " killed");
  process_.reset();
  sent_.clear();
}

std::vector<v1::ShimMessage> ShimMachine::OnSend(v1::ShimMessage message) {
  std::vector<v1::ShimMessage> out;
  if (around_.plant == Plant::kDeleteOnAbsence) {
    if (message.has_pod_apply()) {
      sent_[kube::TextAt(Json::parse(message.pod_apply().pod()), {"metadata", "uid"})] =
          message.pod_apply().node();
    }
    if (message.has_synced()) {
      const auto& listed = message.synced().uids();
      for (const auto& [uid, node] : sent_) {
        if (node != message.synced().node() || std::find(listed.begin(), listed.end(), uid) != listed.end())
          continue;
        v1::ShimMessage forget;
        forget.mutable_pod_forget()->set_uid(uid);
        forget.mutable_pod_forget()->set_evidence(v1::DELETED_EVENT);
        out.push_back(std::move(forget));
      }
    }
  }
  if (around_.plant == Plant::kLoseTombstone) {
    // The removal of a pod whose host is away is heard and forgotten, as if the pod were still there.
    const std::string uid = message.has_pod_forget() ? message.pod_forget().uid()
                            : message.has_pod_stop() ? message.pod_stop().uid()
                                                     : "";
    const Truth::Pod* pod = around_.truth->Find(uid);
    if (pod != nullptr && !pod->fleet && around_.host_is_away && around_.host_is_away(pod->node))
      around_.forgotten.insert(uid);
    if (around_.forgotten.contains(uid)) return {};
    if (message.has_pod_confirmed() && around_.forgotten.contains(message.pod_confirmed().uid())) return {};
    if (message.has_synced()) {
      for (const std::string& lost : around_.forgotten) {
        if (around_.truth->Find(lost)->node == message.synced().node())
          message.mutable_synced()->add_uids(lost);
      }
    }
  }
  out.push_back(std::move(message));
  return out;
}

}  // namespace slicelet::sim
