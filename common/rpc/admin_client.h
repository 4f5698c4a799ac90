#pragma once

#include <memory>
#include <optional>
#include <string>

#include "common/base/status.h"
#include "common/rpc/rpc_options.h"
#include "slicelet/v1/admin.pb.h"

namespace slicelet {

/// The admin API for a command-line tool: each call blocks until it is answered, at most ten seconds.
class AdminClient {
 public:
  /// `address` and `tls` as in RpcClient::Options.
  static absl::StatusOr<std::unique_ptr<AdminClient>> Make(const std::string& address,
                                                           const std::optional<RpcTls>& tls);
  ~AdminClient();

  absl::StatusOr<v1::ListHostsReply> ListHosts();
  absl::StatusOr<v1::PodHostsReply> PodHosts(const v1::PodHostsRequest& request);
  absl::StatusOr<v1::ExplainPodReply> ExplainPod(const v1::ExplainPodRequest& request);
  absl::StatusOr<v1::ListOrphansReply> ListOrphans();
  absl::StatusOr<v1::DecideOrphansReply> DecideOrphans(const v1::DecideOrphansRequest& request);
  absl::Status DecommissionNode(const v1::DecommissionNodeRequest& request);

 private:
  struct Impl;
  explicit AdminClient(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace slicelet
