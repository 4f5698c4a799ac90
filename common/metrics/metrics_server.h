#pragma once

#include <functional>
#include <memory>
#include <string>

#include "common/base/file_system.h"
#include "common/base/status.h"
#include "common/config/config_reader.h"
#include "common/http/http_server.h"
#include "common/http/watched_listener.h"
#include "common/metrics/metrics_page.h"
#include "common/tls/pki.h"

namespace slicelet {

/// Where a program shows its metrics: the object `metrics` of its configuration.
struct MetricsOptions {
  /// HOST:PORT with a numeric host; empty: nowhere.
  std::string listen;
  /// PEM files that it serves with; they may be replaced meanwhile.
  std::string certificate_file;
  std::string key_file;

  /// Reads `metrics: {listen, certificate, key}`; without the object nothing is served.
  static void Read(ConfigReader& reader, MetricsOptions& options);
};

/// Serves /metrics, /healthz and /readyz over HTTPS to whoever asks: they tell counts and names of hosts,
/// never contents.
class MetricsServer {
 public:
  /// `fill` is called on the loop for every request, and so is `ready`: /readyz answers 503 with its message
  /// while it is not OK. Without it there is no /readyz.
  MetricsServer(AsioLoop& loop, std::function<void(MetricsPage&)> fill,
                std::function<absl::Status()> ready = nullptr);

  /// InvalidArgument for a bad address or certificate, Unavailable when it is taken. Returns the port.
  absl::StatusOr<int> Start(const MetricsOptions& options);
  /// The same with a certificate in memory. `listen` is HOST:PORT with a numeric host.
  absl::StatusOr<int> Start(const std::string& listen, const CertificateAndKey& certificate);

 private:
  static absl::StatusOr<HttpServer::Listener> ListenerAt(const std::string& listen);
  void Handle(const std::shared_ptr<HttpExchange>& exchange);

  const std::function<void(MetricsPage&)> fill_;
  const std::function<absl::Status()> ready_;
  const std::unique_ptr<FileSystem> files_ = MakeSystemFileSystem();
  HttpServer http_;
  WatchedListener watched_;
};

}  // namespace slicelet
