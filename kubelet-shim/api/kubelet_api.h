#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "common/http/http_server.h"
#include "common/loop/loop.h"
#include "common/stream/frame_stream.h"
#include "kube/kube_api.h"
#include "kubelet-shim/api/access.h"
#include "kubelet-shim/api/cluster_access.h"

namespace slicelet::shim {

class StreamSession;

/// What the kubelet API asks of the shim about a node.
class NodePods {
 public:
  virtual ~NodePods() = default;
  [[nodiscard]] virtual std::vector<std::string> Nodes() const = 0;
  /// Desired pods, as the API server gave them.
  [[nodiscard]] virtual std::vector<kube::Json> Pods(const std::string& node) const = 0;
  [[nodiscard]] virtual std::vector<kube::Json> RunningPods(const std::string& node) const = 0;
  /// The uid of the pod that has this container. An empty `uid` is any, an empty `container` asks for the pod
  /// alone. NotFound names what is missing.
  [[nodiscard]] virtual absl::StatusOr<std::string> FindContainer(const std::string& node,
                                                                  const std::string& ns,
                                                                  const std::string& pod,
                                                                  const std::string& uid,
                                                                  const std::string& container) const = 0;
};

/// The kubelet's HTTPS API of every slice node; a request's listener is its node, and the listener "" stands
/// for all of them. Paths and answers are the kubelet's (pkg/kubelet/server). exec, attach and port-forward
/// are authenticated here and then tunnelled as raw bytes to the container runtime, whatever it speaks (SPDY,
/// WebSocket v4 and older); only the WebSocket subprotocol v5, which no runtime knows, is translated.
class KubeletApi {
 public:
  static constexpr std::size_t kMaxStreams = 1'000;

  struct Dependencies {
    Loop& loop;
    const NodePods& pods;
    /// Opens Provider.Stream.
    std::function<std::unique_ptr<FrameStream>()> open_stream;
    /// Standalone mode: what read-only /api/v1 paths are answered from. Null otherwise.
    kube::KubeApi* directory = nullptr;
    /// Asked about callers that the rules do not name, bearer tokens above all. Null: they are refused.
    ClusterAccess* cluster = nullptr;
  };

  KubeletApi(AccessRules rules, Dependencies dependencies);
  ~KubeletApi();

  void Handle(const std::shared_ptr<HttpExchange>& exchange);

  [[nodiscard]] std::size_t streams() const { return sessions_.size(); }

 private:
  using Exchange = std::shared_ptr<HttpExchange>;
  void Refuse(const Exchange& exchange, const absl::Status& status);
  void Route(const Exchange& exchange);
  using PodsOfNode = std::vector<kube::Json> (NodePods::*)(const std::string&) const;
  void ListPods(const Exchange& exchange, PodsOfNode pods) const;
  void Logs(const Exchange& exchange);
  void Upgrade(const Exchange& exchange);
  [[nodiscard]] std::vector<std::string> NodesOf(const HttpRequest& request) const;
  template <typename Session, typename... More>
  void Start(const Exchange& exchange, v1::StreamHead head, More&&... more);

  const AccessRules rules_;
  const Dependencies dependencies_;
  std::uint64_t next_session_ = 1;
  std::map<std::uint64_t, std::shared_ptr<StreamSession>> sessions_;
  Lifetime lifetime_;
};

}  // namespace slicelet::shim
