#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "kube/http/kube_config.h"
#include "kubelet-shim/app/certificate_cache.h"
#include "kubelet-shim/app/node_listeners.h"
#include "kubelet-shim/node/csr_identity.h"
#include "kubelet-shim/shim/shim.h"

namespace slicelet::shim {

/// Nodes of a cluster: each has a client certificate, a serving certificate and a listener of its own.
class ClusterIdentity final : public NodeIdentity {
 public:
  /// The API server as whoever the certificate names.
  using MakeApi = std::function<std::shared_ptr<kube::KubeApi>(std::shared_ptr<kube::ClientCertificate>)>;

  struct Options {
    /// What nodes show; an IP address or a name.
    std::string address;
  };
  struct Dependencies {
    Loop& loop;
    CsrIdentity& requests;
    CertificateCache& cache;
    NodeListeners& listeners;
    MakeApi make_api;
  };

  ClusterIdentity(Options options, Dependencies dependencies);

  void ApiFor(const std::string& node, Callback<std::shared_ptr<kube::KubeApi>> done) override;
  void EndpointFor(const std::string& node, Callback<Endpoint> done) override;
  void Retire(const std::string& node) override;

 private:
  struct Node {
    std::shared_ptr<kube::ClientCertificate> certificate;
    std::shared_ptr<kube::KubeApi> api;
    std::vector<Callback<std::shared_ptr<kube::KubeApi>>> waiting_for_api;
    std::vector<Callback<Endpoint>> waiting_for_endpoint;
    bool serving_requested = false;
    CertificateAndKey serving;
  };

  void TakeClient(const std::string& name, const CertificateAndKey& certificate);
  void TakeServing(const std::string& name, const CertificateAndKey& certificate);
  void OpenListener(const std::string& name);

  const Options options_;
  const Dependencies dependencies_;
  std::map<std::string, Node> nodes_;
  Lifetime lifetime_;
};

}  // namespace slicelet::shim
