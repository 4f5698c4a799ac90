#include "provider/rest/rest_server.h"

#include <utility>

namespace slicelet::provider {
namespace {

/// A caller waits for its answer, not for hours.
constexpr auto kAnswerTimeout = std::chrono::minutes(5);

/// What strangers may make the provider hold: 80 MB at most.
constexpr std::size_t kMaxHeader = std::size_t{64} << 10;
constexpr std::size_t kMaxConnections = 256;

HttpServer::Options ServerOptions() {
  HttpServer::Options options;
  options.stream_timeout = kAnswerTimeout;
  options.max_header = kMaxHeader;
  options.max_body = AdminRest::kMaxBody;
  options.max_connections = kMaxConnections;
  options.rejection = [](int status, const std::string& message) {
    return ToHttp(Refuse({.status = status, .reason = "MalformedRequest", .error = message}));
  };
  return options;
}

}  // namespace

RestServer::RestServer(const AdminRestOptions& options, Dependencies dependencies)
    : hub_{.kube = dependencies.api,
           .hub_id = std::move(dependencies.hub_id),
           .ns = std::move(dependencies.ns),
           .standalone = dependencies.standalone,
           .pod_hosts = std::move(dependencies.pod_hosts),
           .explain_pod = std::move(dependencies.explain_pod),
           .fleet_hosts = std::move(dependencies.fleet_hosts),
           .nodes_elsewhere = std::move(dependencies.nodes_elsewhere)},
      users_(dependencies.files, options.users_file),
      passwords_(MakePasswordChecker(dependencies.loop)) {}

absl::StatusOr<std::unique_ptr<RestServer>> RestServer::Start(const AdminRestOptions& options,
                                                              Dependencies dependencies) {
  AsioLoop& loop = dependencies.loop;
  Random& random = dependencies.random;
  FileSystem& files = dependencies.files;
  std::unique_ptr<RestServer> server(new RestServer(options, std::move(dependencies)));
  const absl::Status users = server->users_.Read(loop.Now());
  if (!users.ok()) return WithContext(users, "adminRest.users");
  SLICELET_ASSIGN_OR_RETURN(server->rest_, AdminRest::Make(options, {.loop = loop,
                                                                     .random = random,
                                                                     .users = server->users_,
                                                                     .passwords = *server->passwords_,
                                                                     .hub = server->hub_}));
  SLICELET_RETURN_IF_ERROR(server->Listen(options, loop, files));
  return server;
}

absl::Status RestServer::Listen(const AdminRestOptions& options, AsioLoop& loop, FileSystem& files) {
  HttpServer::Listener listener;
  listener.name = "admin";
  const auto address = ParseListenAddress(options.listen);
  if (!address.ok()) return WithContext(address.status(), "adminRest.listen");
  listener.address = address->host;
  listener.port = address->port;
  http_ = std::make_unique<HttpServer>(
      loop, ServerOptions(), [this](const std::shared_ptr<HttpExchange>& exchange) {
        rest_->Handle(exchange->request(),
                      [exchange](HttpResponse response) { exchange->Respond(std::move(response)); });
      });
  watched_.emplace(loop, files, *http_);
  const auto port = watched_->Open(std::move(listener), options.certificate_file, options.key_file);
  if (!port.ok()) return WithContext(port.status(), "adminRest.listen");
  port_ = *port;
  return absl::OkStatus();
}

}  // namespace slicelet::provider
