#include "provider/app/provider_server.h"

#include <utility>

#include "common/base/encoding.h"
#include "common/base/file_system.h"
#include "common/log/log.h"
#include "common/rest/rest_http_client.h"
#include "common/rpc/edge_link.h"
#include "common/rpc/provider_link.h"
#include "common/rpc/rpc_server.h"
#include "common/stream/combined_acceptor.h"
#include "kube/http/http_cluster_reader.h"
#include "kube/open/open_kube.h"
#include "provider/admin/admin_service.h"
#include "provider/app/access.h"
#include "provider/app/broker.h"
#include "provider/app/first_frame.h"
#include "provider/app/metrics.h"
#include "provider/controllers/controllers.h"
#include "provider/rest/rest_server.h"
#include "provider/store/sqlite_hub_store.h"

namespace slicelet::provider {
namespace {

constexpr std::uint64_t kMaxKeyFile = std::uint64_t{64} * 1'024;

/// Reads the keys that the options name.
absl::Status ReadKeys(const ProviderConfig& config, FileSystem& files, Hub::Options& options,
                      std::unique_ptr<Signer>& signer) {
  SLICELET_ASSIGN_OR_RETURN(const auto key, files.Read(config.manifest_key_file, kMaxKeyFile));
  SLICELET_ASSIGN_OR_RETURN(signer, MakeSigner(key));
  for (const auto& path : config.key_certificate_files) {
    SLICELET_ASSIGN_OR_RETURN(const auto bytes, files.Read(path, kMaxKeyFile));
    if (!options.key_certificates.emplace_back().ParseFromString(bytes)) {
      return absl::InvalidArgumentError(path + " is not a key certificate");
    }
  }
  SLICELET_ASSIGN_OR_RETURN(auto tag_key, files.Read(config.tag_key_file, kMaxKeyFile));
  while (!tag_key.empty() && tag_key.back() == '\n') tag_key.pop_back();
  const auto decoded = HexDecode(tag_key);
  if (!decoded.ok() || decoded->empty()) {
    return absl::InvalidArgumentError(config.tag_key_file + " is not a key in hexadecimal");
  }
  options.tag_key = *decoded;
  return absl::OkStatus();
}

/// As the controllers want it.
PlaceReport ReportOf(const Hub::Places& places) {
  PlaceReport report;
  for (const HostId& host : places.unheard) report.unheard.insert(host.value());
  for (const Hub::PodPlaces& pod : places.pods) {
    if (pod.decided) report.decided.insert(pod.uid.value());
    for (const auto& [host, place] : pod.hosts) {
      report.places.push_back({.pod_uid = pod.uid.value(),
                               .pod_name = pod.name,
                               .host = host.value(),
                               .targeted = place.targeted,
                               .superseded = place.superseded,
                               .image = place.image,
                               .ready = place.ready});
    }
  }
  return report;
}

class ProviderServer final : public Server {
 public:
  explicit ProviderServer(AsioLoop& loop) : loop_(loop) {}

  ~ProviderServer() override {
    // No call may reach a hub that is gone.
    rpc_.Shutdown();
  }

  absl::Status Start(const ProviderConfig& config) {
    auto options = config.hub;
    SLICELET_RETURN_IF_ERROR(ReadKeys(config, *files_, options, signer_));
    SLICELET_ASSIGN_OR_RETURN(kube_, kube::OpenKube({.kubeconfig = config.kubeconfig,
                                                     .directory = config.directory,
                                                     .in_cluster = config.in_cluster,
                                                     .incarnation_file = config.database + ".incarnation"},
                                                    loop_, clock_, random_, *files_));
    SLICELET_ASSIGN_OR_RETURN(store_, MakeSqliteHubStore(config.database, loop_));
    if (config.mqtt) {
      SLICELET_ASSIGN_OR_RETURN(
          broker_, Broker::Make(config.hub.hub_id, *config.mqtt, *files_, loop_, clock_, random_));
      ways_in_.push_back(&broker_->hosts());
    }
    hosts_ = std::make_unique<CombinedAcceptor<v1::HubMessage, v1::HostMessage>>(ways_in_);
    hub_ = std::make_unique<Hub>(std::move(options), Hub::Dependencies{.loop = loop_,
                                                                       .clock = clock_,
                                                                       .random = random_,
                                                                       .store = *store_,
                                                                       .signer = *signer_,
                                                                       .kube = kube_->api(),
                                                                       .hosts = *hosts_,
                                                                       .shims = provider_.shims()});
    edge_link_.ServeTunnels([this](std::unique_ptr<FrameStream> tunnel, const std::string& host) {
      first_frames_.Await(std::move(tunnel), [this, host](const auto& frame, auto stream) {
        hub_->OnTunnel(HostId(host), frame.request_id(), std::move(stream));
      });
    });
    provider_.ServeStreams([this](std::unique_ptr<FrameStream> stream) {
      first_frames_.Await(std::move(stream), [this](const auto& frame, auto stream) {
        hub_->OnStream(frame.head(), std::move(stream));
      });
    });
    admin_ = std::make_unique<AdminService>(loop_, MakeAdminHandlers(*hub_));
    hub_->Start();
    if (config.controllers && config.directory.empty()) StartControllers(config);
    SLICELET_RETURN_IF_ERROR(Listen(config));
    if (config.admin_rest) SLICELET_RETURN_IF_ERROR(StartAdminRest(config));
    if (!config.metrics.listen.empty()) SLICELET_RETURN_IF_ERROR(metrics_.Start(config.metrics).status());
    LogInfo("provider serves", {{"hub", config.hub.hub_id}, {"agents", config.agents.listen}});
    return absl::OkStatus();
  }

  void Stop(std::function<void()> done) override {
    if (broker_) broker_->hosts().Stop();
    rpc_.Shutdown();
    done();
  }

 private:
  absl::Status Listen(const ProviderConfig& config) {
    const auto hosts = [hub = config.hub.hub_id](const RpcPeer& peer) { return AllowHost(hub, peer); };
    const auto shims = [](const RpcPeer& peer) { return AllowGroup("slicelet:shims", peer); };
    const auto operators = [](const RpcPeer& peer) { return AllowGroup("slicelet:operators", peer); };
    RpcServer::Listener agents;
    agents.address = config.agents.listen;
    agents.tls = config.agents.tls;
    agents.services = {{&edge_link_, hosts}};
    agents.keepalive.interval = config.agents_keepalive;
    SLICELET_RETURN_IF_ERROR(rpc_.Listen(agents).status());
    RpcServer::Listener local;
    local.services = {{&provider_, shims}, {admin_.get(), operators}};
    if (config.remote) {
      auto remote = local;
      remote.address = config.remote->listen;
      remote.tls = config.remote->tls;
      SLICELET_RETURN_IF_ERROR(rpc_.Listen(remote).status());
    }
    if (config.socket.empty()) return absl::OkStatus();
    local.address = "unix:" + config.socket;
    return rpc_.Listen(local).status();
  }

  absl::Status StartAdminRest(const ProviderConfig& config) {
    SLICELET_ASSIGN_OR_RETURN(
        rest_,
        RestServer::Start(*config.admin_rest, {.loop = loop_,
                                               .random = random_,
                                               .files = *files_,
                                               .api = kube_->api(),
                                               .hub_id = config.hub.hub_id,
                                               .ns = config.hub.ns,
                                               .standalone = !config.directory.empty(),
                                               .pod_hosts = [this](const v1::PodHostsRequest& request) {
                                                 return hub_->PodHosts(request);
                                               }}));
    LogInfo("admin API serves", {{"listen", config.admin_rest->listen}, {"port", rest_->port()}});
    return absl::OkStatus();
  }

  void StartControllers(const ProviderConfig& config) {
    const auto report = [this](const std::string& pod,
                               const std::string& device) -> std::optional<DeviceReport> {
      const auto status = hub_->DeviceOf(PodUid(pod), device);
      if (!status) return std::nullopt;
      DeviceReport said{
          .applied = status->applied(), .reason = status->reason(), .message = status->message()};
      if (const v1::DeviceReadings& held = status->readings(); status->has_readings()) {
        said.readings = {.count = held.count(), .newest = {}, .observed = FromUnixNanos(held.observed_at())};
        if (held.newest() > 0) said.readings->newest = FromUnixNanos(held.newest());
      }
      return said;
    };
    const auto places = [this](const std::string& ns, const std::string& prefix) {
      const auto known = hub_->PlacesOf(ns, prefix, kExporter);
      return known ? std::make_optional(ReportOf(*known)) : std::nullopt;
    };
    http_ = MakeRestHttpClient(loop_);
    clusters_ = kube::MakeHttpClusterReader(*kube_->config(), loop_, *files_);
    controllers_ = MakeControllers(
        {.hub_id = config.hub.hub_id, .ns = config.hub.ns, .taint_key = config.hub.taint_key}, loop_, clock_,
        random_, kube_->api(), *http_, *clusters_, report, places,
        [this](const std::map<std::string, std::string>& slices) { hub_->SetSlices(slices); });
    hub_->WatchPlaces([this] { controllers_->LookAround(); });
    controllers_->Start();
  }

  AsioLoop& loop_;
  SystemClock clock_;
  SystemRandom random_;
  std::unique_ptr<FileSystem> files_ = MakeSystemFileSystem();
  std::unique_ptr<Signer> signer_;
  std::unique_ptr<kube::OpenedKube> kube_;
  std::unique_ptr<HubStore> store_;
  EdgeLinkService edge_link_{loop_};
  std::unique_ptr<Broker> broker_;
  std::vector<Acceptor<v1::HubMessage, v1::HostMessage>*> ways_in_{&edge_link_.sessions()};
  std::unique_ptr<CombinedAcceptor<v1::HubMessage, v1::HostMessage>> hosts_;
  ProviderService provider_{loop_};
  std::unique_ptr<Hub> hub_;
  std::unique_ptr<HttpClient> http_;
  std::unique_ptr<kube::ClusterReader> clusters_;
  std::unique_ptr<Engine> controllers_;
  FirstFrames first_frames_{loop_};
  std::unique_ptr<AdminService> admin_;
  RpcServer rpc_;
  std::unique_ptr<RestServer> rest_;
  MetricsServer metrics_{loop_, [this](MetricsPage& page) {
                           AddHubMetrics(hub_->ListHosts(), hub_->ListOrphans(), page);
                           if (broker_) broker_->AddMetrics(page);
                           if (rest_) rest_->AddMetrics(page);
                         }};
};

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> StartProvider(const ProviderConfig& config, AsioLoop& loop) {
  SetLogLevel(config.log_level);
  auto server = std::make_unique<ProviderServer>(loop);
  SLICELET_RETURN_IF_ERROR(server->Start(config));
  return server;
}

}  // namespace slicelet::provider
