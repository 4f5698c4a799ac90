#include "common/rpc/internal/credentials.h"

#include <grpc/support/log.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>

#include <cstdlib>
#include <fstream>
#include <mutex>
#include <vector>

#include "common/log/log.h"

namespace slicelet {
namespace {

namespace tls_api = grpc::experimental;

absl::Status CheckReadable(const std::string& what, const std::string& path) {
  if (path.empty()) return absl::InvalidArgumentError("TLS needs a " + what + " file");
  if (!std::ifstream(path)) return absl::NotFoundError("cannot read the " + what + " file " + path);
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<tls_api::CertificateProviderInterface>> MakeProvider(
    const std::string& address, const std::optional<RpcTls>& tls) {
  if (!tls) {
    return absl::InvalidArgumentError("address " + address +
                                      " is not a unix socket and has no TLS configured");
  }
  if (!tls->certificate_pem.empty()) {
    const std::vector<tls_api::IdentityKeyCertPair> identity{{tls->key_pem, tls->certificate_pem}};
    return std::make_shared<tls_api::StaticDataCertificateProvider>(tls->ca_pem, identity);
  }
  SLICELET_RETURN_IF_ERROR(CheckReadable("certificate", tls->certificate_file));
  SLICELET_RETURN_IF_ERROR(CheckReadable("key", tls->key_file));
  SLICELET_RETURN_IF_ERROR(CheckReadable("CA", tls->ca_file));
  return std::make_shared<tls_api::FileWatcherCertificateProvider>(
      tls->key_file, tls->certificate_file, tls->ca_file, static_cast<unsigned>(tls->reload.count()));
}

void LogRpcLine(gpr_log_func_args* args) {
  const auto level = args->severity == GPR_LOG_SEVERITY_ERROR ? LogLevel::kInfo : LogLevel::kDebug;
  if (GetLogLevel() <= level) Log(level, "grpc", {{"text", args->message}});
}

}  // namespace

bool IsUnixAddress(const std::string& address) { return address.rfind("unix:", 0) == 0; }

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> ClientCredentials(
    const std::string& address, const std::optional<RpcTls>& tls) {
  if (IsUnixAddress(address)) return grpc::InsecureChannelCredentials();
  SLICELET_ASSIGN_OR_RETURN(const auto provider, MakeProvider(address, tls));
  tls_api::TlsChannelCredentialsOptions options;
  options.set_certificate_provider(provider);
  options.watch_root_certs();
  options.watch_identity_key_cert_pairs();
  options.set_verify_server_certs(true);
  return tls_api::TlsCredentials(options);
}

absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> ServerCredentials(const std::string& address,
                                                                           const std::optional<RpcTls>& tls) {
  if (IsUnixAddress(address)) return grpc::InsecureServerCredentials();
  SLICELET_ASSIGN_OR_RETURN(const auto provider, MakeProvider(address, tls));
  tls_api::TlsServerCredentialsOptions options(provider);
  options.watch_root_certs();
  options.watch_identity_key_cert_pairs();
  options.set_cert_request_type(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  return tls_api::TlsServerCredentials(options);
}

void PrepareRpc() {
  static std::once_flag once;
  std::call_once(once, [] {
    gpr_set_log_function(LogRpcLine);
    // gRPC's own resolver knows neither the hosts file nor what nsswitch.conf names.
    setenv("GRPC_DNS_RESOLVER", "native", 0);
  });
}

}  // namespace slicelet
