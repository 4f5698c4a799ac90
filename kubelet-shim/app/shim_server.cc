#include "kubelet-shim/app/shim_server.h"

#include <unistd.h>

#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "common/base/file_system.h"
#include "common/http/watched_files.h"
#include "common/log/log.h"
#include "common/rpc/provider_link.h"
#include "common/tls/expiry.h"
#include "kube/http/http_kube_api.h"
#include "kube/open/open_kube.h"
#include "kubelet-shim/api/kubelet_api.h"
#include "kubelet-shim/app/client_ca.h"
#include "kubelet-shim/app/cluster_identity.h"
#include "kubelet-shim/app/metrics.h"
#include "kubelet-shim/app/shim_pods.h"
#include "kubelet-shim/app/standalone_identity.h"

namespace slicelet::shim {
namespace {

/// The listener of all nodes in standalone mode.
constexpr char kAllNodes[] = "";

/// Tells this process from its predecessor on the same machine.
std::string MakeShimId(Random& random) {
  std::array<char, 256> name{};
  gethostname(name.data(), name.size() - 1);
  return std::string(name.data()) + "_" + random.Hex(4);
}

class ShimServer final : public Server {
 public:
  ShimServer(ShimConfig config, AsioLoop& loop) : config_(std::move(config)), loop_(loop) {}

  absl::Status Start() {
    SLICELET_ASSIGN_OR_RETURN(kube_, OpenKube());
    if (!config_.standalone()) {
      // Calls of one client wait for one another: neither many nodes nor strangers whose tokens are asked
      // about may cost the lease.
      SLICELET_ASSIGN_OR_RETURN(lease_kube_, OpenKube());
      SLICELET_ASSIGN_OR_RETURN(review_kube_, OpenKube());
      cluster_access_.emplace(loop_, review_kube_->api());
    }
    if (config_.tls)
      WarnIfCertificateFileEnds(config_.tls->certificate_file, kHubRenewal, *files_, clock_.Now());
    if (!config_.metrics.listen.empty())
      WarnIfCertificateFileEnds(config_.metrics.certificate_file, kHubRenewal, *files_, clock_.Now());
    RpcClient::Options link;
    link.address = config_.provider;
    link.tls = config_.tls;
    SLICELET_ASSIGN_OR_RETURN(provider_, RpcClient::Make(loop_, std::move(link)));
    connector_ = MakeProviderConnector(*provider_);
    api_ = std::make_unique<KubeletApi>(
        config_.access,
        KubeletApi::Dependencies{.loop = loop_,
                                 .pods = pods_,
                                 .open_stream = [this] { return OpenProviderStream(*provider_); },
                                 .directory = config_.standalone() ? &kube_->api() : nullptr,
                                 .cluster = cluster_access_ ? &*cluster_access_ : nullptr});
    http_ = std::make_unique<HttpServer>(
        loop_, HttpServer::Options{},
        [this](const std::shared_ptr<HttpExchange>& exchange) { api_->Handle(exchange); });
    SLICELET_RETURN_IF_ERROR(config_.standalone() ? ServeOperators() : ServeCluster());
    auto options = config_.shim;
    options.version = SLICELET_VERSION;
    options.standalone_incarnation = kube_->incarnation();
    if (options.shim_id.empty()) options.shim_id = MakeShimId(random_);
    shim_.emplace(std::move(options),
                  Shim::Dependencies{.loop = loop_,
                                     .clock = clock_,
                                     .random = random_,
                                     .controller = kube_->api(),
                                     .identity = *identity_,
                                     .provider = *connector_,
                                     .lease = lease_kube_ ? &lease_kube_->api() : nullptr});
    pods_.Attach(*shim_);
    shim_->Start();
    if (!config_.metrics.listen.empty()) SLICELET_RETURN_IF_ERROR(metrics_.Start(config_.metrics).status());
    return absl::OkStatus();
  }

  void Stop(std::function<void()> done) override { shim_->Stop(std::move(done)); }

 private:
  absl::StatusOr<std::unique_ptr<kube::OpenedKube>> OpenKube() {
    return kube::OpenKube({.kubeconfig = config_.kubeconfig,
                           .directory = config_.directory,
                           .in_cluster = config_.in_cluster,
                           .incarnation_file = config_.directory + ".incarnation"},
                          loop_, clock_, random_, *files_);
  }

  absl::Status ServeOperators() {
    tls_files_.emplace(
        loop_, *files_,
        std::vector{config_.tls->certificate_file, config_.tls->key_file, config_.tls->ca_file},
        [this](const std::vector<std::string>& pem) {
          SLICELET_RETURN_IF_ERROR(http_->SetClientCa(pem[2]));
          return serves_operators_ ? http_->SetCertificate(kAllNodes, pem[0], pem[1]) : absl::OkStatus();
        });
    SLICELET_RETURN_IF_ERROR(tls_files_->Start());
    HttpServer::Listener listener;
    listener.name = kAllNodes;
    listener.address = config_.listen;
    listener.port = config_.first_port;
    listener.certificate_pem = tls_files_->contents()[0];
    listener.key_pem = tls_files_->contents()[1];
    SLICELET_ASSIGN_OR_RETURN(const auto port, http_->Listen(listener));
    serves_operators_ = true;
    LogInfo("shim serves operators", {{"address", config_.address}, {"port", port}});
    identity_ = std::make_unique<StandaloneIdentity>(loop_, kube_->api(),
                                                     NodeIdentity::Endpoint{config_.address, port});
    return absl::OkStatus();
  }

  absl::Status ServeCluster() {
    if (config_.client_ca_file.empty()) {
      client_ca_.emplace(loop_, random_, kube_->api(),
                         [this](const std::string& pem) { return http_->SetClientCa(pem); });
      client_ca_->Start();
    } else {
      tls_files_.emplace(loop_, *files_, std::vector{config_.client_ca_file},
                         [this](const std::vector<std::string>& pem) { return http_->SetClientCa(pem[0]); });
      SLICELET_RETURN_IF_ERROR(tls_files_->Start());
    }
    requests_.emplace(loop_, clock_, random_, kube_->api());
    cache_.emplace(config_.certificates, *files_, clock_);
    listeners_.emplace(*http_, NodeListeners::Options{config_.listen, config_.first_port, config_.ports});
    identity_ = std::make_unique<ClusterIdentity>(
        ClusterIdentity::Options{config_.address},
        ClusterIdentity::Dependencies{.loop = loop_,
                                      .requests = *requests_,
                                      .cache = *cache_,
                                      .listeners = *listeners_,
                                      .make_api = [this](auto certificate) -> std::shared_ptr<kube::KubeApi> {
                                        return kube::MakeHttpKubeApi(
                                            kube::WithCertificate(*kube_->config(), std::move(certificate)),
                                            loop_, *files_);
                                      }});
    return absl::OkStatus();
  }

  void ShowMetrics(MetricsPage& page) const {
    const auto nodes = shim_->Nodes();
    AddShimMetrics(shim_->leading(), nodes, page);
    for (const auto& node : nodes) AddNodeMetrics(node, shim_->Pods(node), page);
  }

  const ShimConfig config_;
  AsioLoop& loop_;
  SystemClock clock_;
  SystemRandom random_;
  std::unique_ptr<FileSystem> files_ = MakeSystemFileSystem();
  std::unique_ptr<kube::OpenedKube> kube_, lease_kube_, review_kube_;
  std::unique_ptr<RpcClient> provider_;
  std::unique_ptr<Shim::ProviderConnector> connector_;
  ShimPods pods_;
  std::optional<ClusterAccess> cluster_access_;
  std::unique_ptr<KubeletApi> api_;
  std::unique_ptr<HttpServer> http_;
  std::optional<PublishedClientCa> client_ca_;
  std::optional<WatchedFiles> tls_files_;
  bool serves_operators_ = false;
  std::optional<CsrIdentity> requests_;
  std::optional<CertificateCache> cache_;
  std::optional<NodeListeners> listeners_;
  std::unique_ptr<NodeIdentity> identity_;
  std::optional<Shim> shim_;
  MetricsServer metrics_{loop_, [this](MetricsPage& page) { ShowMetrics(page); }};
};

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> StartShim(const ShimConfig& config, AsioLoop& loop) {
  auto server = std::make_unique<ShimServer>(config, loop);
  SLICELET_RETURN_IF_ERROR(server->Start());
  return server;
}

}  // namespace slicelet::shim
