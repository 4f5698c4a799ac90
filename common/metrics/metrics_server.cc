#include "common/metrics/metrics_server.h"

#include <utility>

namespace slicelet {
namespace {

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

MetricsServer::MetricsServer(AsioLoop& loop, std::function<void(MetricsPage&)> fill,
                             std::function<absl::Status()> ready)
    : fill_(std::move(fill)),
      ready_(std::move(ready)),
      http_(loop, HttpServer::Options{},
            [this](const std::shared_ptr<HttpExchange>& exchange) { Handle(exchange); }),
      watched_(loop, *files_, http_) {}

absl::StatusOr<int> MetricsServer::Start(const MetricsOptions& options) {
  const auto listener = ListenerAt(options.listen);
  if (!listener.ok()) return WithContext(listener.status(), "metrics.listen");
  auto port = watched_.Open(*listener, options.certificate_file, options.key_file);
  if (!port.ok()) return WithContext(port.status(), "metrics.listen");
  return port;
}

absl::StatusOr<int> MetricsServer::Start(const std::string& listen, const CertificateAndKey& certificate) {
  SLICELET_ASSIGN_OR_RETURN(HttpServer::Listener listener, ListenerAt(listen));
  listener.certificate_pem = certificate.certificate_pem;
  listener.key_pem = certificate.key_pem;
  return http_.Listen(listener);
}

absl::StatusOr<HttpServer::Listener> MetricsServer::ListenerAt(const std::string& listen) {
  HttpServer::Listener listener;
  listener.name = "metrics";
  SLICELET_ASSIGN_OR_RETURN(const auto address, ParseListenAddress(listen));
  listener.address = address.host;
  listener.port = address.port;
  return listener;
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
  } else if (ready_ && request.target.segments == Path{"readyz"}) {
    const absl::Status ready = ready_();
    response.status = ready.ok() ? 200 : 503;
    response.body = ready.ok() ? "ok\n" : Message(ready) + "\n";
  } else {
    response.status = 404;
    response.body = "no such page: /metrics and /healthz are here\n";
  }
  exchange->Respond(std::move(response));
}

}  // namespace slicelet
