#include "kubelet-shim/app/cluster_identity.h"

#include <utility>

#include "common/base/ip_address.h"
#include "common/log/log.h"

namespace slicelet::shim {
namespace {

using Use = CertificateCache::Use;

}  // namespace

ClusterIdentity::ClusterIdentity(Options options, Dependencies dependencies)
    : options_(std::move(options)), dependencies_(std::move(dependencies)) {}

void ClusterIdentity::ApiFor(const std::string& name, Callback<std::shared_ptr<kube::KubeApi>> done) {
  auto& node = nodes_[name];
  node.waiting_for_api.push_back(std::move(done));
  if (!node.certificate) {
    node.certificate = std::make_shared<kube::ClientCertificate>();
    if (const auto cached = dependencies_.cache.Load(name, Use::kClient)) {
      node.certificate->Set(cached->certificate_pem, cached->key_pem);
      node.api = dependencies_.make_api(node.certificate);
    }
    // Also with a cached one: it may be of a cluster that is no more, and it must be kept fresh.
    dependencies_.requests.KeepClientCertificate(name, [this, name](const CertificateAndKey& certificate) {
      dependencies_.cache.Store(name, Use::kClient, certificate);
      TakeClient(name, certificate);
    });
  }
  if (!node.api) return;
  dependencies_.loop.Post(lifetime_.Guard([this, name] {
    const auto it = nodes_.find(name);
    if (it == nodes_.end()) return;
    const auto api = it->second.api;
    for (const auto& waiting : std::exchange(it->second.waiting_for_api, {})) waiting(api);
  }));
}

void ClusterIdentity::TakeClient(const std::string& name, const CertificateAndKey& certificate) {
  const auto it = nodes_.find(name);
  if (it == nodes_.end()) return;
  auto& node = it->second;
  node.certificate->Set(certificate.certificate_pem, certificate.key_pem);
  if (!node.api) node.api = dependencies_.make_api(node.certificate);
  const auto api = node.api;
  for (const auto& waiting : std::exchange(node.waiting_for_api, {})) waiting(api);
}

void ClusterIdentity::EndpointFor(const std::string& name, Callback<Endpoint> done) {
  auto& node = nodes_[name];
  if (!node.api) {
    dependencies_.loop.Post([name, done = std::move(done)] {
      done(absl::FailedPreconditionError("node " + name + " has no credential of its own yet"));
    });
    return;
  }
  node.waiting_for_endpoint.push_back(std::move(done));
  if (!node.serving_requested) {
    node.serving_requested = true;
    if (const auto cached = dependencies_.cache.Load(name, Use::kServing)) node.serving = *cached;
    const std::vector<std::string> address = {options_.address};
    const bool ip = IsIpAddress(options_.address);
    dependencies_.requests.KeepServingCertificate(
        name, ip ? address : std::vector<std::string>(), ip ? std::vector<std::string>() : address, node.api,
        [this, name](const CertificateAndKey& certificate) { TakeServing(name, certificate); });
  }
  if (!node.serving.certificate_pem.empty()) {
    dependencies_.loop.Post(lifetime_.Guard([this, name] { OpenListener(name); }));
  }
}

void ClusterIdentity::TakeServing(const std::string& name, const CertificateAndKey& certificate) {
  const auto it = nodes_.find(name);
  if (it == nodes_.end()) return;
  dependencies_.cache.Store(name, Use::kServing, certificate);
  it->second.serving = certificate;
  OpenListener(name);
}

void ClusterIdentity::OpenListener(const std::string& name) {
  const auto it = nodes_.find(name);
  if (it == nodes_.end()) return;
  auto& node = it->second;
  const auto port = dependencies_.listeners.Open(name, node.serving);
  if (!port.ok()) {
    LogWarning("cannot serve the kubelet API", {{"node", name}, {"why", Message(port.status())}});
  }
  const auto endpoint =
      port.ok() ? absl::StatusOr<Endpoint>(Endpoint{options_.address, *port}) : port.status();
  for (const auto& waiting : std::exchange(node.waiting_for_endpoint, {})) waiting(endpoint);
}

void ClusterIdentity::Retire(const std::string& name) {
  dependencies_.requests.Retire(name);
  dependencies_.listeners.Close(name);
  dependencies_.cache.Remove(name);
  nodes_.erase(name);
}

}  // namespace slicelet::shim
