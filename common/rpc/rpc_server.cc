#include "common/rpc/rpc_server.h"

#include <grpcpp/grpcpp.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>

#include "common/log/log.h"
#include "common/rpc/internal/connection_arguments.h"
#include "common/rpc/internal/credentials.h"
#include "common/rpc/internal/live_calls.h"

namespace slicelet {
namespace {

/// Files made while it lives are for the owner only.
class PrivateUmask {
 public:
  PrivateUmask() : former_(umask(0177)) {}
  ~PrivateUmask() { umask(former_); }
  PrivateUmask(const PrivateUmask&) = delete;
  PrivateUmask& operator=(const PrivateUmask&) = delete;

 private:
  const mode_t former_;
};

}  // namespace

struct RpcServer::Impl {
  LiveCalls calls;
  std::vector<std::shared_ptr<grpc::Service>> services;
  std::vector<std::unique_ptr<grpc::Server>> servers;
};

RpcServer::RpcServer() : impl_(std::make_unique<Impl>()) { PrepareRpc(); }

RpcServer::~RpcServer() { Shutdown(); }

absl::StatusOr<int> RpcServer::Listen(const Listener& listener) {
  SLICELET_ASSIGN_OR_RETURN(const auto credentials, ServerCredentials(listener.address, listener.tls));
  const bool local = IsUnixAddress(listener.address);
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(listener.address, credentials, &port);
  builder.SetMaxReceiveMessageSize(static_cast<int>(kMaxRpcMessageBytes));
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  SetConnectionArguments(listener.keepalive, [&builder](const char* name, int value) {
    builder.AddChannelArgument(name, value);
  });
  // Clients ping at their own period, which may be shorter than ours; half of it leaves room for a jittery
  // network.
  builder.AddChannelArgument(
      GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
      Milliseconds(std::min(listener.keepalive.interval, RpcKeepalive{}.interval) / 2));
  for (const auto& hosted : listener.services) {
    if (!local && !hosted.authorize) {
      return absl::InvalidArgumentError("a service on " + listener.address +
                                        " has no rule about who may call it");
    }
    impl_->services.push_back(hosted.service->Bind(impl_->calls, local ? nullptr : hosted.authorize));
    builder.RegisterService(impl_->services.back().get());
  }
  std::unique_ptr<grpc::Server> server;
  {
    std::optional<PrivateUmask> umask;
    if (local) umask.emplace();
    server = builder.BuildAndStart();
  }
  if (!server || (!local && port == 0)) {
    return absl::UnavailableError("cannot listen on " + listener.address +
                                  ": is it in use, or its directory missing?");
  }
  impl_->servers.push_back(std::move(server));
  return local ? 0 : port;
}

void RpcServer::Shutdown() {
  impl_->calls.Close();
  for (const auto& server : impl_->servers) {
    server->Shutdown(std::chrono::system_clock::now() + kRpcLinger);
  }
  impl_->calls.WaitUntilEmpty();
  impl_->servers.clear();
  impl_->services.clear();
}

}  // namespace slicelet
