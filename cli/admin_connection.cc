#include "cli/admin_connection.h"

namespace slicelet::cli {

absl::StatusOr<std::unique_ptr<AdminClient>> Connect(const OperatorConfig& config) {
  RpcTls tls;
  tls.ca_file = config.ca_path;
  tls.certificate_file = config.certificate_path;
  tls.key_file = config.key_path;
  return AdminClient::Make(config.provider, tls);
}

absl::Status Explained(const absl::Status& status, const OperatorConfig& config) {
  if (status.code() == absl::StatusCode::kDeadlineExceeded) {
    return absl::UnavailableError("the provider at " + config.provider +
                                  " did not answer in time. Is it slicelet-provider that listens there?");
  }
  if (status.code() != absl::StatusCode::kUnavailable) return status;
  return absl::UnavailableError("cannot reach the provider at " + config.provider + ": " + Message(status) +
                                ". Is slicelet-provider running, and may you use its socket?");
}

}  // namespace slicelet::cli
