#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/base/random.h"
#include "common/base/time.h"
#include "common/loop/loop.h"
#include "common/tls/pki.h"
#include "kube/kube_api.h"

namespace slicelet::shim {

/// Certificates of slice nodes, by CertificateSigningRequest (kubernetes.md 7.1): the client certificate that
/// makes a shim system:node:NAME, and the serving certificate of the node's kubelet API.
///
/// A request is approved with the controller credential at once; where that may not approve, somebody else
/// does (kube-controller-manager for bootstrap identities, an operator for serving certificates) and it
/// waits. Only a request that this object made itself, with this very key, is ever approved. Keys stay in
/// memory: a restarted shim asks for new certificates. Each is renewed at a random point of 70 to 90 % of its
/// life; failures are logged and tried again, 1 s to 5 min apart. Owned by one loop.
class CsrIdentity {
 public:
  using OnCertificate = std::function<void(const CertificateAndKey&)>;

  /// A request that nobody signed in this time is given up and made again.
  static constexpr Duration kPatience = std::chrono::minutes(10);

  /// All must outlive it. `controller` creates client requests and approves.
  CsrIdentity(Loop& loop, Clock& clock, Random& random, kube::KubeApi& controller);
  ~CsrIdentity();

  /// Obtains system:node:NODE's client certificate and keeps it fresh; `on_certificate` gets every new one.
  void KeepClientCertificate(const std::string& node, OnCertificate on_certificate);
  /// The same for serving at `ip_addresses` and `dns_names`. `node_api` asks for it, as the node.
  void KeepServingCertificate(const std::string& node, const std::vector<std::string>& ip_addresses,
                              const std::vector<std::string>& dns_names,
                              std::shared_ptr<kube::KubeApi> node_api, OnCertificate on_certificate);
  /// Both end; no callback follows.
  void Retire(const std::string& node);

 private:
  class Keeper;
  Loop& loop_;
  Clock& clock_;
  Random& random_;
  kube::KubeApi& controller_;
  std::map<std::pair<std::string, bool>, std::unique_ptr<Keeper>> keepers_;
};

}  // namespace slicelet::shim
