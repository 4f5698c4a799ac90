#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/base/random.h"
#include "common/base/time.h"
#include "common/loop/loop.h"
#include "common/stream/message_pipe.h"
#include "kube/kube_api.h"
#include "slicelet/v1/provider.pb.h"

namespace slicelet::shim {

/// Credentials and ports of slice nodes: what a node needs beside the shim's own state. Real: CSRs and
/// listeners; fakes and standalone mode: the same KubeApi for all.
class NodeIdentity {
 public:
  virtual ~NodeIdentity() = default;
  /// The API server as system:node:NAME. Called again after a failure; the result lives until the node is
  /// retired.
  virtual void ApiFor(const std::string& node, Callback<std::shared_ptr<kube::KubeApi>> done) = 0;
  /// Address and port of the node's kubelet API, which it starts to serve. Port 0: none is served.
  struct Endpoint {
    std::string address;
    int port = 0;
  };
  virtual void EndpointFor(const std::string& node, Callback<Endpoint> done) = 0;
  virtual void Retire(const std::string& node) = 0;
};

/// The shim without its process: everything of slicelet-shim that decides. Holds no durable state.
class Shim {
 public:
  using ProviderConnector = Connector<v1::ShimMessage, v1::ProviderMessage>;

  struct Options {
    std::string shim_id;
    std::string hub_id;
    std::string version;
    std::string kubelet_version = "v1.36.0";
    /// Namespace of the leader lease "slicelet-HUB".
    std::string ns = "slicelet";
    /// Standalone: no leader lease; this counter is the incarnation instead. 0 in cluster mode.
    std::uint64_t standalone_incarnation = 0;
    Duration referent_refresh = std::chrono::seconds(60);
    Duration node_lease = std::chrono::seconds(40);
    Duration leader_lease = std::chrono::seconds(15);
    /// SEMANTICS: whether pods get a service account token without asking.
    bool api_access_default = false;
  };

  struct Dependencies {
    Loop& loop;
    Clock& clock;
    Random& random;
    /// The controller credential: taints, namespaces, confirming GETs.
    kube::KubeApi& controller;
    NodeIdentity& identity;
    ProviderConnector& provider;
    /// For the leader lease alone, so that it does not wait behind the calls of a thousand nodes; null: the
    /// controller's.
    kube::KubeApi* lease = nullptr;
  };

  Shim(Options options, Dependencies dependencies);
  ~Shim();

  void Start();
  /// Gives the leader lease back so that a successor need not wait; nodes and pods stay as they are.
  void Stop(std::function<void()> done);

  /// For the kubelet API: what runs on a node, from memory.
  [[nodiscard]] std::vector<std::string> Nodes() const;
  [[nodiscard]] std::vector<kube::Json> Pods(const std::string& node) const;
  /// Pods with a running container and no deletionTimestamp.
  [[nodiscard]] std::vector<kube::Json> RunningPods(const std::string& node) const;
  /// NotFound names what is missing: the pod or the container.
  [[nodiscard]] absl::StatusOr<std::string> FindContainer(const std::string& node, const std::string& ns,
                                                          const std::string& pod, const std::string& uid,
                                                          const std::string& container) const;
  [[nodiscard]] bool leading() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace slicelet::shim
