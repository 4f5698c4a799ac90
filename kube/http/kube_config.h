#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "common/base/file_system.h"
#include "common/base/status.h"
#include "common/base/time.h"

namespace slicelet::kube {

/// A client certificate that can be renewed while connections use it. Thread-safe: connections are made on
/// the HTTP library's threads.
class ClientCertificate {
 public:
  struct Pem {
    std::string certificate;
    std::string key;
    /// Grows with every `Set`.
    std::uint64_t version = 0;
  };

  /// New connections use it; the clients that hold this object make new ones.
  void Set(std::string certificate_pem, std::string key_pem) {
    const std::lock_guard lock(mutex_);
    pem_ = {std::move(certificate_pem), std::move(key_pem), pem_.version + 1};
  }
  [[nodiscard]] Pem Get() const {
    const std::lock_guard lock(mutex_);
    return pem_;
  }

 private:
  mutable std::mutex mutex_;
  Pem pem_;
};

/// Where an API server is and who we are to it.
struct KubeConfig {
  /// "https://HOST:PORT[/PREFIX]"
  std::string server;
  /// The only authorities trusted for the server; the system's are not.
  std::string ca_pem;
  bool insecure_skip_tls_verify = false;
  /// Null: no client certificate.
  std::shared_ptr<ClientCertificate> certificate;
  std::string token;
  /// Read again every minute, because projected tokens rotate; wins over `token`.
  std::string token_file;
  /// The context's namespace, "default" when it names none.
  std::string ns = "default";
  /// Bytes of one answer, or of all pages of one list.
  std::size_t max_answer = std::size_t{256} << 20;
  /// Until a whole answer has come, watches aside.
  Duration call_deadline = std::chrono::seconds(120);
};

/// Reads a kubeconfig file; relative paths in it are relative to it. `context` empty: its current-context.
/// InvalidArgument names what is missing, or asked for and not supported (exec plug-ins, auth providers,
/// proxies).
absl::StatusOr<KubeConfig> ReadKubeConfig(FileSystem& files, const std::string& path,
                                          const std::string& context);

/// The same of a text that has everything inside it: file names are refused as well. `name` says in errors
/// what it is.
absl::StatusOr<KubeConfig> ParseKubeConfig(std::string_view text, const std::string& name,
                                           const std::string& context);

/// From the service account that Kubernetes mounts into a pod. `host` and `port` are the variables
/// KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT.
absl::StatusOr<KubeConfig> InClusterConfig(FileSystem& files, const std::string& host,
                                           const std::string& port);

/// The bearer token to present now: what the token's file holds, `token` without a file, empty for none.
/// Unavailable names the file that can not be read.
absl::StatusOr<std::string> ReadToken(const KubeConfig& config, FileSystem& files);

/// The same server seen through a client certificate instead of the configuration's own credential.
KubeConfig WithCertificate(const KubeConfig& config, std::shared_ptr<ClientCertificate> certificate);

}  // namespace slicelet::kube
