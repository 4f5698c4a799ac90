#include "common/metrics/metrics_server.h"

#include <charconv>
#include <utility>

#include "common/base/file_system.h"

namespace slicelet {
namespace {

constexpr std::uint64_t kMaxPemFile = std::uint64_t{1} << 20;
constexpr int kHighestPort = 65'535;
using Path = std::vector<std::string>;
constexpr char kTextFormat[] = "text/plain; version=0.0.4; charset=utf-8";

}  // namespace

void MetricsOptions::Read(ConfigReader& reader, MetricsOptions& options) {
  reader.Object("metrics", [&](ConfigReader& nested) {
    nested.Required("listen", &options.listen);
    nested.Required("certificate", &options.certificate_file);
    nested.Required("key", &options.key_file);
  });
}

MetricsServer::MetricsServer(AsioLoop& loop, std::function<void(MetricsPage&)> fill)
    : fill_(std::move(fill)),
      http_(loop, HttpServer::Options{},
            [this](const std::shared_ptr<HttpExchange>& exchange) { Handle(exchange); }) {}

absl::StatusOr<int> MetricsServer::Start(const MetricsOptions& options) {
  HttpServer::Listener listener;
  listener.name = "metrics";
  const auto colon = options.listen.rfind(':');
  const std::string port = colon == std::string::npos ? "" : options.listen.substr(colon + 1);
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), listener.port);
  if (port.empty() || error != std::errc() || end != port.data() + port.size() || listener.port < 0 ||
      listener.port > kHighestPort) {
    return absl::InvalidArgumentError("metrics.listen: \"" + options.listen + "\" is not HOST:PORT");
  }
  listener.address = options.listen.substr(0, colon);
  const auto files = MakeSystemFileSystem();
  SLICELET_ASSIGN_OR_RETURN(listener.certificate_pem, files->Read(options.certificate_file, kMaxPemFile));
  SLICELET_ASSIGN_OR_RETURN(listener.key_pem, files->Read(options.key_file, kMaxPemFile));
  return http_.Listen(listener);
}

void MetricsServer::Handle(const std::shared_ptr<HttpExchange>& exchange) {
  const auto& request = exchange->request();
  HttpResponse response;
  if (request.method != "GET") {
    response.status = 405;
    response.body = "only GET\n";
  } else if (request.target.segments == Path{"metrics"}) {
    MetricsPage page;
    fill_(page);
    response.content_type = kTextFormat;
    response.body = page.Text();
  } else if (request.target.segments == Path{"healthz"}) {
    response.body = "ok\n";
  } else {
    response.status = 404;
    response.body = "no such page: /metrics and /healthz are here\n";
  }
  exchange->Respond(std::move(response));
}

}  // namespace slicelet
