#pragma once

#include <memory>
#include <optional>
#include <string>

#include "common/base/status.h"
#include "common/loop/loop.h"
#include "common/rpc/rpc_options.h"

namespace slicelet {

/// The dialling end of a link. Connections are made by what uses it (edge_link.h, provider_link.h): a session
/// dials anew every time, so that no back-off of the library's own delays it, and streams share the newest
/// session's connection. Must be destroyed on the loop's thread, before the loop; then nothing of it runs any
/// more.
class RpcClient {
 public:
  struct Options {
    /// "unix:/path" or "host:port".
    std::string address;
    /// Required unless the address is a unix socket.
    std::optional<RpcTls> tls;
    /// The name to look for in the server's certificate; empty: the address's host.
    std::string server_name;
    RpcKeepalive keepalive;
  };

  /// InvalidArgument when TLS is missing for a TCP address, NotFound when a file can not be read.
  static absl::StatusOr<std::unique_ptr<RpcClient>> Make(Loop& loop, Options options);
  ~RpcClient();

  /// For the adapters in this folder.
  struct Impl;
  explicit RpcClient(std::unique_ptr<Impl> impl);
  [[nodiscard]] Impl& impl() { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace slicelet
