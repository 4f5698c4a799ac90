#pragma once

#include <functional>
#include <memory>

#include "common/base/status.h"
#include "common/loop/loop.h"
#include "common/rpc/rpc_server.h"
#include "slicelet/v1/admin.pb.h"

namespace slicelet::provider {

/// What answers the admin API, on the loop. All are set; `app/` fills them with Hub's methods.
struct AdminHandlers {
  template <typename Request, typename Reply>
  using Handler = std::function<absl::StatusOr<Reply>(const Request&)>;

  Handler<v1::ListHostsRequest, v1::ListHostsReply> list_hosts;
  Handler<v1::PodHostsRequest, v1::PodHostsReply> pod_hosts;
  Handler<v1::ExplainPodRequest, v1::ExplainPodReply> explain_pod;
  Handler<v1::ListOrphansRequest, v1::ListOrphansReply> list_orphans;
  Handler<v1::DecideOrphansRequest, v1::DecideOrphansReply> decide_orphans;
  Handler<v1::DecommissionNodeRequest, v1::DecommissionNodeReply> decommission_node;
};

/// The handlers of anything with Hub's admin methods.
template <typename Hub>
AdminHandlers MakeAdminHandlers(Hub& hub) {
  AdminHandlers handlers;
  handlers.list_hosts = [&hub](const v1::ListHostsRequest&) { return hub.ListHosts(); };
  handlers.pod_hosts = [&hub](const v1::PodHostsRequest& request) { return hub.PodHosts(request); };
  handlers.explain_pod = [&hub](const v1::ExplainPodRequest& request) { return hub.ExplainPod(request); };
  handlers.list_orphans = [&hub](const v1::ListOrphansRequest&) { return hub.ListOrphans(); };
  handlers.decide_orphans = [&hub](const v1::DecideOrphansRequest& request) {
    return hub.DecideOrphans(request);
  };
  handlers.decommission_node =
      [&hub](const v1::DecommissionNodeRequest& request) -> absl::StatusOr<v1::DecommissionNodeReply> {
    SLICELET_RETURN_IF_ERROR(hub.DecommissionNode(request));
    return v1::DecommissionNodeReply();
  };
  return handlers;
}

/// The admin API (admin.proto) as a service of an RpcServer.
class AdminService : public RpcService {
 public:
  AdminService(Loop& loop, AdminHandlers handlers);
  ~AdminService() override;

  std::shared_ptr<grpc::Service> Bind(LiveCalls& calls, Authorize authorize) override;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace slicelet::provider
