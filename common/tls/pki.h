#pragma once

#include <string>
#include <vector>

#include "common/base/status.h"
#include "common/base/time.h"

namespace slicelet {

/// A certificate with its private key, both PEM. The certificate may be followed by its issuers.
struct CertificateAndKey {
  std::string certificate_pem;
  std::string key_pem;
};

/// What a certificate, or a request for one, shall say.
struct CertificateTemplate {
  std::string common_name;
  /// O entries: groups, for Kubernetes.
  std::vector<std::string> organizations;
  std::vector<std::string> dns_names;
  std::vector<std::string> ip_addresses;
  std::vector<std::string> uris;
  bool server = false;
  bool client = false;
  /// May sign certificates.
  bool authority = false;
};

/// What a certificate says.
struct CertificateInfo {
  std::string common_name;
  std::vector<std::string> organizations;
  std::vector<std::string> uris;
  WallTime not_before;
  WallTime not_after;
  /// SHA-256 of the DER form, lower-case hexadecimal.
  std::string fingerprint;
};

/// A new EC P-256 key as PKCS#8 PEM.
std::string GenerateTlsKeyPem();

/// A self-signed authority, valid from an hour before `now` (clocks differ) for `validity`.
absl::StatusOr<CertificateAndKey> MakeAuthority(const std::string& common_name, WallTime now,
                                                Duration validity);

/// A certificate for a new key, signed by `authority`.
absl::StatusOr<CertificateAndKey> IssueCertificate(const CertificateAndKey& authority,
                                                   const CertificateTemplate& contents, WallTime now,
                                                   Duration validity);

/// The certificate `former_pem` (its first, if there are several) anew: the same key, names and uses, for
/// `validity` from `now`. InvalidArgument when `authority` has not signed it, or when it is an authority's
/// itself. Whether it has ended does not matter.
absl::StatusOr<std::string> RenewCertificate(const CertificateAndKey& authority,
                                             const std::string& former_pem, WallTime now, Duration validity);

/// OK when the private key is that of the certificate.
absl::Status CheckKeyOfCertificate(const std::string& certificate_pem, const std::string& key_pem);

/// A PKCS#10 request for `key_pem`, PEM.
absl::StatusOr<std::string> MakeCertificateRequest(const std::string& key_pem,
                                                   const CertificateTemplate& contents);

/// Reads the first certificate of a PEM text.
absl::StatusOr<CertificateInfo> ReadCertificate(const std::string& certificate_pem);

/// OK when the first certificate of `certificate_pem` (with the others as intermediates) is signed by one of
/// `ca_pem` and valid at `at`. Hosts without a clock judge at the latest of wall clock, last hub time and
/// build date.
absl::Status VerifyCertificate(const std::string& certificate_pem, const std::string& ca_pem, WallTime at);

}  // namespace slicelet
