#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/status.h"
#include "common/rpc/rpc_options.h"

namespace grpc {
class Service;
}

namespace slicelet {

class LiveCalls;

/// One service that servers can host. Outlives every server that hosts it.
class RpcService {
 public:
  /// Decides whether a peer may call. Its message goes to the peer; the refusal is logged.
  using Authorize = std::function<absl::Status(const RpcPeer&)>;

  virtual ~RpcService() = default;
  /// The part that one listener registers. `calls` is told of every call while it lives.
  virtual std::shared_ptr<grpc::Service> Bind(LiveCalls& calls, Authorize authorize) = 0;
};

/// Listeners with services on them. All methods on the loop's thread.
class RpcServer {
 public:
  struct Hosted {
    RpcService* service = nullptr;
    /// Required on TCP: every certificate of the CA gets this far. Not asked on a unix socket.
    RpcService::Authorize authorize;
  };

  struct Listener {
    /// "unix:/path" (created with mode 0600) or "host:port"; port 0 takes a free one.
    std::string address;
    /// Required unless the address is a unix socket.
    std::optional<RpcTls> tls;
    std::vector<Hosted> services;
    RpcKeepalive keepalive;
  };

  RpcServer();
  /// Shuts down. The loop of its services must still exist.
  ~RpcServer();

  /// Starts to serve; returns the port (0 for a unix socket). Unavailable when the address can not be bound.
  absl::StatusOr<int> Listen(const Listener& listener);

  /// Ends every call (Unavailable) and closes the listeners. Returns when nothing of them runs any more: at
  /// most a second.
  void Shutdown();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace slicelet
