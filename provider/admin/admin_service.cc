#include "provider/admin/admin_service.h"

#include <utility>

#include "common/rpc/internal/unary_call.h"
#include "slicelet/v1/admin.grpc.pb.h"

namespace slicelet::provider {

struct AdminService::State {
  State(Loop& loop, AdminHandlers handlers) : loop(loop), handlers(std::move(handlers)) {}
  Loop& loop;
  const AdminHandlers handlers;
};

namespace {

template <typename State>
class Bound final : public v1::Admin::CallbackService {
 public:
  Bound(std::shared_ptr<State> state, LiveCalls& calls, RpcService::Authorize authorize)
      : state_(std::move(state)), calls_(calls), authorize_(std::move(authorize)) {}

  grpc::ServerUnaryReactor* ListHosts(grpc::CallbackServerContext* context,
                                      const v1::ListHostsRequest* request,
                                      v1::ListHostsReply* reply) override {
    return Serve(context, "ListHosts", state_->handlers.list_hosts, request, reply);
  }
  grpc::ServerUnaryReactor* PodHosts(grpc::CallbackServerContext* context, const v1::PodHostsRequest* request,
                                     v1::PodHostsReply* reply) override {
    return Serve(context, "PodHosts", state_->handlers.pod_hosts, request, reply);
  }
  grpc::ServerUnaryReactor* ExplainPod(grpc::CallbackServerContext* context,
                                       const v1::ExplainPodRequest* request,
                                       v1::ExplainPodReply* reply) override {
    return Serve(context, "ExplainPod", state_->handlers.explain_pod, request, reply);
  }
  grpc::ServerUnaryReactor* ListOrphans(grpc::CallbackServerContext* context,
                                        const v1::ListOrphansRequest* request,
                                        v1::ListOrphansReply* reply) override {
    return Serve(context, "ListOrphans", state_->handlers.list_orphans, request, reply);
  }
  grpc::ServerUnaryReactor* DecideOrphans(grpc::CallbackServerContext* context,
                                          const v1::DecideOrphansRequest* request,
                                          v1::DecideOrphansReply* reply) override {
    return Serve(context, "DecideOrphans", state_->handlers.decide_orphans, request, reply);
  }
  grpc::ServerUnaryReactor* DecommissionNode(grpc::CallbackServerContext* context,
                                             const v1::DecommissionNodeRequest* request,
                                             v1::DecommissionNodeReply* reply) override {
    return Serve(context, "DecommissionNode", state_->handlers.decommission_node, request, reply);
  }

 private:
  template <typename Request, typename Reply>
  grpc::ServerUnaryReactor* Serve(grpc::CallbackServerContext* context, const char* method,
                                  const AdminHandlers::Handler<Request, Reply>& handler,
                                  const Request* request, Reply* reply) {
    // State outlives the call, and request and reply live until it is finished.
    return UnaryCall::Serve(state_->loop, calls_, *context->auth_context(),
                            "/slicelet.v1.Admin/" + std::string(method), authorize_,
                            [state = state_, &handler, request, reply]() -> absl::Status {
                              SLICELET_ASSIGN_OR_RETURN(*reply, handler(*request));
                              return absl::OkStatus();
                            });
  }

  const std::shared_ptr<State> state_;
  LiveCalls& calls_;
  const RpcService::Authorize authorize_;
};

}  // namespace

AdminService::AdminService(Loop& loop, AdminHandlers handlers)
    : state_(std::make_shared<State>(loop, std::move(handlers))) {}
AdminService::~AdminService() = default;

std::shared_ptr<grpc::Service> AdminService::Bind(LiveCalls& calls, Authorize authorize) {
  return std::make_shared<Bound<State>>(state_, calls, std::move(authorize));
}

}  // namespace slicelet::provider
