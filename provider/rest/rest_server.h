#pragma once

#include <memory>
#include <optional>
#include <string>

#include "common/base/file_system.h"
#include "common/http/http_server.h"
#include "common/http/watched_listener.h"
#include "provider/rest/admin_rest.h"
#include "provider/rest/rest_options.h"

namespace slicelet::provider {

/// The admin API over HTTPS, with everything it needs for itself.
class RestServer {
 public:
  struct Dependencies {
    AsioLoop& loop;
    /// Fit for keys.
    Random& random;
    FileSystem& files;
    kube::KubeApi& api;
    std::string hub_id;
    std::string ns;
    bool standalone = false;
    std::function<absl::StatusOr<v1::PodHostsReply>(const v1::PodHostsRequest&)> pod_hosts;
    std::function<absl::StatusOr<v1::ExplainPodReply>(const v1::ExplainPodRequest&)> explain_pod{};
    std::function<absl::StatusOr<std::size_t>(const std::string& node, const std::string& condition)>
        fleet_hosts{};
    NodesElsewhere nodes_elsewhere{};
  };

  /// InvalidArgument for a bad address, certificate or users file, Unavailable when the address is taken.
  static absl::StatusOr<std::unique_ptr<RestServer>> Start(const AdminRestOptions& options,
                                                           Dependencies dependencies);

  [[nodiscard]] int port() const { return port_; }
  void AddMetrics(MetricsPage& page) const { rest_->AddMetrics(page); }

 private:
  RestServer(const AdminRestOptions& options, Dependencies dependencies);
  absl::Status Listen(const AdminRestOptions& options, AsioLoop& loop, FileSystem& files);

  const RestHub hub_;
  UsersFile users_;
  const std::unique_ptr<PasswordChecker> passwords_;
  std::unique_ptr<AdminRest> rest_;
  std::unique_ptr<HttpServer> http_;
  std::optional<WatchedListener> watched_;
  int port_ = 0;
};

}  // namespace slicelet::provider
