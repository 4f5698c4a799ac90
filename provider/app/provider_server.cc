#include "provider/app/provider_server.h"

#include <algorithm>
#include <map>
#include <utility>

#include "common/base/encoding.h"
#include "common/base/file_system.h"
#include "common/log/log.h"
#include "common/rest/rest_http_client.h"
#include "common/rpc/edge_link.h"
#include "common/rpc/provider_link.h"
#include "common/rpc/rpc_server.h"
#include "common/stream/combined_acceptor.h"
#include "common/tls/expiry.h"
#include "kube/http/http_cluster_reader.h"
#include "kube/open/open_kube.h"
#include "provider/admin/admin_service.h"
#include "provider/app/access.h"
#include "provider/app/broker.h"
#include "provider/app/first_frame.h"
#include "provider/app/hub_reports.h"
#include "provider/app/metrics.h"
#include "provider/controllers/cluster_nodes.h"
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

class ProviderServer final : public Server {
 public:
  explicit ProviderServer(AsioLoop& loop) : loop_(loop) {}

  ~ProviderServer() override {
    // No call may reach a hub that is gone.
    rpc_.Shutdown();
  }

  absl::Status Start(const ProviderConfig& config) {
    auto options = config.hub;
    certificates_ = CertificateFiles(config);
    for (const std::string& file : certificates_)
      WarnIfCertificateFileEnds(file, kHubRenewal, *files_, clock_.Now());
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
      tunnels_.Await(host, std::move(tunnel), [this, host](const auto& frame, auto stream) {
        hub_->OnTunnel(HostId(host), frame.request_id(), std::move(stream));
      });
    });
    provider_.ServeStreams([this](std::unique_ptr<FrameStream> stream) {
      shim_streams_.Await("shim", std::move(stream), [this](const auto& frame, auto stream) {
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
    const auto hosts = [this, hub = config.hub.hub_id](const RpcPeer& peer) {
      const absl::Status allowed = AllowHost(hub, peer);
      if (allowed.ok()) shown_[peer.common_name] = peer.not_after;
      return allowed;
    };
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
        RestServer::Start(
            *config.admin_rest,
            {.loop = loop_,
             .random = random_,
             .files = *files_,
             .api = kube_->api(),
             .hub_id = config.hub.hub_id,
             .ns = config.hub.ns,
             .standalone = !config.directory.empty(),
             .pod_hosts = [this](const v1::PodHostsRequest& request) { return hub_->PodHosts(request); },
             .explain_pod =
                 [this](const v1::ExplainPodRequest& request) { return hub_->ExplainPod(request); },
             .fleet_hosts =
                 [this](const std::string& node, const std::string& condition) {
                   return hub_->HostsOf(NodeName(node), condition);
                 },
             .nodes_elsewhere = OtherNodes()}));
    LogInfo("admin API serves", {{"listen", config.admin_rest->listen}, {"port", rest_->port()}});
    return absl::OkStatus();
  }

  /// The later one of what the host showed here and to the broker: over a broker it comes here for tunnels
  /// only, so that what it showed here may be what it had before.
  std::optional<WallTime> HostCertificateEndOf(const std::string& host) const {
    auto end = broker_ ? broker_->hosts().CertificateEnd(HostId(host)) : std::nullopt;
    if (const auto it = shown_.find(host); it != shown_.end())
      end = std::max(end.value_or(it->second), it->second);
    return end;
  }

  void ShowMetrics(MetricsPage& page) const {
    const auto hosts = hub_->ListHosts();
    AddHubMetrics(hosts, hub_->ListOrphans(), page);
    AddHostCertificateMetrics(
        hosts, [this](const std::string& host) { return HostCertificateEndOf(host); }, page);
    AddCertificateMetrics(certificates_, *files_, page);
    if (broker_) broker_->AddMetrics(page);
    if (rest_) rest_->AddMetrics(page);
  }

  /// Empty without controllers: nobody has reached those clusters then.
  NodesElsewhere OtherNodes() {
    if (!controllers_) return {};
    return [this](const kube::Json& cluster, Callback<std::vector<kube::Json>> done) {
      ListNodesElsewhere(loop_, *clusters_, ways_, cluster, std::move(done));
    };
  }

  void StartControllers(const ProviderConfig& config) {
    http_ = MakeRestHttpClient(loop_);
    clusters_ = kube::MakeHttpClusterReader(*kube_->config(), loop_, *files_);
    Controllers made = MakeControllers(
        {.hub_id = config.hub.hub_id, .ns = config.hub.ns, .taint_key = config.hub.taint_key}, loop_, clock_,
        random_, kube_->api(), *http_, *clusters_, DeviceReportsOf(*hub_), PlaceReportsOf(*hub_),
        [this](const std::map<std::string, std::string>& slices) { hub_->SetSlices(slices); });
    controllers_ = std::move(made.engine);
    ways_ = std::move(made.ways);
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
  ClusterWays ways_;
  FirstFrames tunnels_{loop_};
  FirstFrames shim_streams_{loop_, FirstFrames::kMaxWaiting};
  std::unique_ptr<AdminService> admin_;
  RpcServer rpc_;
  std::unique_ptr<RestServer> rest_;
  std::vector<std::string> certificates_;
  /// When the certificates end that hosts of this hub showed last at the agents' endpoint.
  std::map<std::string, WallTime> shown_;
  MetricsServer metrics_{loop_, [this](MetricsPage& page) { ShowMetrics(page); }};
};

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> StartProvider(const ProviderConfig& config, AsioLoop& loop) {
  auto server = std::make_unique<ProviderServer>(loop);
  SLICELET_RETURN_IF_ERROR(server->Start(config));
  return server;
}

}  // namespace slicelet::provider
