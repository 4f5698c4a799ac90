#pragma once

#include <string>
#include <utility>

#include "common/rpc/rpc_options.h"
#include "common/tls/pki.h"

namespace slicelet {

/// A certificate authority for tests that speak real TLS, on the machine's clock.
class TestAuthority {
 public:
  using Issued = CertificateAndKey;

  explicit TestAuthority(const std::string& name = "test CA")
      : authority_(MakeAuthority(name, SystemClock().Now(), std::chrono::hours(24)).value()) {}

  [[nodiscard]] const std::string& ca_pem() const { return authority_.certificate_pem; }

  /// For servers on loopback and for clients.
  [[nodiscard]] Issued Issue(const std::string& common_name, const std::string& organization = "",
                             const std::string& uri = "") const {
    CertificateTemplate contents;
    contents.common_name = common_name;
    if (!organization.empty()) contents.organizations = {organization};
    if (!uri.empty()) contents.uris = {uri};
    contents.dns_names = {"localhost"};
    contents.ip_addresses = {"127.0.0.1"};
    contents.server = contents.client = true;
    return IssueCertificate(authority_, contents, SystemClock().Now(), std::chrono::hours(1)).value();
  }

  /// The same as what RpcClient and RpcServer take.
  [[nodiscard]] RpcTls IssueTls(const std::string& common_name, const std::string& organization = "",
                                const std::string& uri = "") const {
    auto issued = Issue(common_name, organization, uri);
    RpcTls tls;
    tls.certificate_pem = std::move(issued.certificate_pem);
    tls.key_pem = std::move(issued.key_pem);
    tls.ca_pem = ca_pem();
    return tls;
  }

 private:
  const CertificateAndKey authority_;
};

}  // namespace slicelet
