#include "edge-agent/host/host_agent.h"

#include <utility>

#include "common/log/log.h"
#include "edge-agent/host/node_conditions.h"
#include "edge-agent/host/traffic_meter.h"
#include "edge-agent/link/hub_session.h"

namespace slicelet::agent {
namespace {

/// A lease that came or went is seen to before a probe has failed often enough to matter.
constexpr Duration kLookForAddress = std::chrono::seconds(10);
/// How often the node is looked at: seldom while all is well, soon after it was not.
constexpr Duration kLookAgain = std::chrono::seconds(60);
constexpr Duration kLookSoon = std::chrono::seconds(2);

PodSupervisor::Options PodOptions(const HostAgent::Options& options) {
  PodSupervisor::Options pods = options.pods;
  pods.boot_id = options.boot_id;
  return pods;
}

/// The supervisor as the link sees it.
class SupervisedRunner : public ManifestRunner {
 public:
  explicit SupervisedRunner(PodSupervisor& pods) : pods_(pods) {}

  void Apply(const v1::Manifest& manifest) override { pods_.Apply(manifest); }
  [[nodiscard]] std::vector<Digest> MissingBlobs() const override { return pods_.MissingBlobs(); }
  void OnBlobsStored() override { pods_.OnBlobsStored(); }
  void OnCredentialStored(const v1::StoredCredential& credential) override {
    pods_.OnCredentialStored(credential);
  }
  [[nodiscard]] std::vector<std::pair<PodUid, std::string>> MissingCredentials() const override {
    return pods_.MissingCredentials();
  }
  [[nodiscard]] std::vector<v1::WorkloadStatus> Statuses() const override { return pods_.Statuses(); }
  [[nodiscard]] const v1::WorkloadStatus* FindStatus(const PodUid& uid) const override {
    return pods_.FindStatus(uid);
  }
  [[nodiscard]] const std::optional<std::set<PodUid>>& Unexplained() const override {
    return pods_.Unexplained();
  }
  void OnStatusChanged(std::function<void(const std::vector<PodUid>&, bool urgent)> changed) override {
    pods_.OnStatusChanged(std::move(changed));
  }
  [[nodiscard]] std::vector<Digest> LiveBlobs() const override { return pods_.LiveBlobs(); }

 private:
  PodSupervisor& pods_;
};

}  // namespace

struct HostAgent::Impl {
  Impl(const Options& options, Dependencies dependencies)
      : d(std::move(dependencies)),
        facts(options.facts),
        conditions(d.files, d.clock, options.pods.root),
        traffic(d.files),
        pods(PodOptions(options), {d.loop, d.clock, d.random, d.files, d.store, d.runtime, d.opener, d.prober,
                                   d.edgex, d.has_address}),
        runner(pods),
        images(d.loop, d.files, d.runtime, options.images, [this] { return pods.ImageNames(); }),
        session(
            {.hub_id = options.pods.hub_id,
             .host = options.pods.host,
             .agent_version = options.agent_version,
             .boot_id = options.boot_id,
             .tags = options.tags,
             .facts = options.facts,
             .root_public_key = options.root_public_key,
             .log_ranges = options.log_ranges,
             .log_tails = options.log_tails},
            {.loop = d.loop,
             .clock = d.clock,
             .random = d.random,
             .store = d.store,
             .hub = d.hub,
             .runner = runner,
             .opener = d.opener,
             .dial_tunnel = d.dial_tunnel,
             .serve_stream = [this](const v1::StreamHead& head,
                                    std::shared_ptr<FrameStream> stream) { Serve(head, std::move(stream)); },
             .refused = d.refused,
             .receive_rate = [this] { return traffic.Rate(); },
             .read_log_tail = TailReader()}),
        look(d.loop),
        follow_address(d.loop) {}

  void Serve(const v1::StreamHead& head, std::shared_ptr<FrameStream> stream) {
    if (d.serve_stream)
      d.serve_stream(head, std::move(stream), pods);
    else
      stream->Finish(absl::UnimplementedError("this agent serves no streams"));
  }

  std::function<absl::StatusOr<v1::LogTail>(const v1::LogTailWanted&)> TailReader() {
    if (!d.read_log_tail) return {};
    return [this](const v1::LogTailWanted& wanted) { return d.read_log_tail(wanted, pods); };
  }

  /// Takes up what the host's address is by now.
  void FollowAddress() {
    std::string found = d.find_address ? d.find_address(facts.address()) : "";
    // One that is lost is shown until there is another.
    if (!found.empty() && found != facts.address()) {
      LogInfo("the host's address has changed", {{"before", facts.address()}, {"now", found}});
      facts.set_address(std::move(found));
      session.SetFacts(facts);
    }
    if (!facts.address().empty()) pods.SetHostIp(facts.address());
    follow_address.Set(kLookForAddress, [this] { FollowAddress(); });
  }

  void Look() {
    traffic.Look(d.loop.Now());
    d.runtime.GetInfo(lifetime.Guard([this](const absl::StatusOr<RuntimeInfo>& info) {
      facts.clear_conditions();
      bool well = info.ok();
      for (auto& condition : conditions.Observe(info, images.root())) {
        if (condition.type() == "DiskPressure" && condition.status()) images.Hurry();
        if (condition.type() == "RuntimeReady" || condition.type() == "NetworkReady")
          well = well && condition.status();
        *facts.add_conditions() = std::move(condition);
      }
      if (info.ok()) facts.set_container_runtime_version(info->name + "://" + info->version);
      session.SetFacts(facts);
      look.Set(well ? kLookAgain : kLookSoon, [this] { Look(); });
    }));
  }

  Dependencies d;
  v1::NodeFacts facts;
  NodeConditions conditions;
  TrafficMeter traffic;
  PodSupervisor pods;
  SupervisedRunner runner;
  ImageCollector images;
  HubSession session;
  Timer look;
  Timer follow_address;
  Lifetime lifetime;
};

HostAgent::HostAgent(const Options& options, Dependencies dependencies)
    : impl_(std::make_unique<Impl>(options, std::move(dependencies))) {}
HostAgent::~HostAgent() = default;

void HostAgent::Start() {
  impl_->pods.Start();
  impl_->images.Start();
  impl_->Look();
  if (impl_->d.find_address || impl_->d.has_address) impl_->FollowAddress();
  impl_->session.Start();
}

void HostAgent::Stop(const std::string& reason, std::function<void()> done) {
  impl_->session.Stop(reason, std::move(done));
}

void HostAgent::SetBrokerKeys(const std::vector<v1::KeyCertificate>& keys) {
  impl_->session.SetBrokerKeys(keys);
}

Generation HostAgent::accepted() const { return impl_->session.accepted(); }
const PodSupervisor& HostAgent::pods() const { return impl_->pods; }
bool HostAgent::connected() const { return impl_->session.connected(); }

}  // namespace slicelet::agent
