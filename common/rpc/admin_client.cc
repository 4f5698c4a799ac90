#include "common/rpc/admin_client.h"

#include <grpcpp/grpcpp.h>

#include <chrono>

#include "common/rpc/internal/bidi_call.h"
#include "common/rpc/internal/credentials.h"
#include "slicelet/v1/admin.grpc.pb.h"

namespace slicelet {
namespace {

constexpr auto kTimeout = std::chrono::seconds(30);

}  // namespace

struct AdminClient::Impl {
  std::unique_ptr<v1::Admin::Stub> stub;

  template <typename Request, typename Reply>
  absl::StatusOr<Reply> Call(grpc::Status (v1::Admin::Stub::*method)(grpc::ClientContext*, const Request&,
                                                                     Reply*),
                             const Request& request) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kTimeout);
    Reply reply;
    SLICELET_RETURN_IF_ERROR(FromGrpc((stub.get()->*method)(&context, request, &reply)));
    return reply;
  }
};

absl::StatusOr<std::unique_ptr<AdminClient>> AdminClient::Make(const std::string& address,
                                                               const std::optional<RpcTls>& tls) {
  PrepareRpc();
  SLICELET_ASSIGN_OR_RETURN(const auto credentials, ClientCredentials(address, tls));
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  auto impl = std::make_unique<Impl>();
  impl->stub = v1::Admin::NewStub(grpc::CreateCustomChannel(address, credentials, arguments));
  return std::unique_ptr<AdminClient>(new AdminClient(std::move(impl)));
}

AdminClient::AdminClient(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
AdminClient::~AdminClient() = default;

absl::StatusOr<v1::ListHostsReply> AdminClient::ListHosts() {
  return impl_->Call(&v1::Admin::Stub::ListHosts, v1::ListHostsRequest());
}
absl::StatusOr<v1::PodHostsReply> AdminClient::PodHosts(const v1::PodHostsRequest& request) {
  return impl_->Call(&v1::Admin::Stub::PodHosts, request);
}
absl::StatusOr<v1::ExplainPodReply> AdminClient::ExplainPod(const v1::ExplainPodRequest& request) {
  return impl_->Call(&v1::Admin::Stub::ExplainPod, request);
}
absl::StatusOr<v1::ListOrphansReply> AdminClient::ListOrphans() {
  return impl_->Call(&v1::Admin::Stub::ListOrphans, v1::ListOrphansRequest());
}
absl::StatusOr<v1::DecideOrphansReply> AdminClient::DecideOrphans(const v1::DecideOrphansRequest& request) {
  return impl_->Call(&v1::Admin::Stub::DecideOrphans, request);
}
absl::Status AdminClient::DecommissionNode(const v1::DecommissionNodeRequest& request) {
  return impl_->Call(&v1::Admin::Stub::DecommissionNode, request).status();
}

}  // namespace slicelet
