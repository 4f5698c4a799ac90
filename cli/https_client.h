#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cli/operator_config.h"
#include "common/base/file_system.h"
#include "common/base/status.h"
#include "kube/http/kube_config.h"

namespace slicelet::cli {

/// Talks to the shim's HTTPS API as the hub's operator, or to a cluster's API server as whom a kubeconfig
/// says, where what is asked for comes as a stream. Blocking: slicectl does one thing at a time.
class HttpsClient {
 public:
  struct Options {
    /// For TCP and TLS.
    std::chrono::milliseconds connect{10'000};
    /// For the head of an answer; the shim itself waits up to 30 s for a host.
    std::chrono::milliseconds answer{60'000};
  };

  static absl::StatusOr<std::unique_ptr<HttpsClient>> Make(const OperatorConfig& config, Options options);
  static absl::StatusOr<std::unique_ptr<HttpsClient>> Make(const OperatorConfig& config) {
    return Make(config, Options{});
  }
  /// `files` is read for a token that the configuration names.
  static absl::StatusOr<std::unique_ptr<HttpsClient>> Make(const kube::KubeConfig& config, FileSystem& files);
  ~HttpsClient();

  /// The body of a 200. Other answers become NotFound, Unauthenticated, InvalidArgument ... with the server's
  /// text. `server` is HOST:PORT.
  absl::StatusOr<std::string> Get(const std::string& server, const std::string& target);
  /// Hands over the body as it comes, until its end.
  absl::Status Stream(const std::string& server, const std::string& target,
                      const std::function<void(std::string_view)>& on_data);

  struct ExecOptions {
    bool stdin_open = false;
    bool tty = false;
  };
  /// Runs a command in a container: WebSocket, subprotocol v5.channel.k8s.io (v4 with servers that know no
  /// better: they are never told that stdin ended), stdin, stdout and stderr of this process. Returns the
  /// command's exit code.
  absl::StatusOr<int> Exec(const std::string& server, const std::string& target, const ExecOptions& options);

 private:
  struct Impl;
  explicit HttpsClient(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace slicelet::cli
