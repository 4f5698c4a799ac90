#include "common/tls/revocation.h"

#include <openssl/x509v3.h>

#include "common/crypto/openssl.h"
#include "common/tls/x509.h"

namespace slicelet {
namespace {

using openssl::InternalError;
using openssl::X509Ptr;

using ListPtr = std::unique_ptr<X509_CRL, openssl::Deleter<X509_CRL_free>>;
using EntryPtr = std::unique_ptr<X509_REVOKED, openssl::Deleter<X509_REVOKED_free>>;
using IntegerPtr = std::unique_ptr<ASN1_INTEGER, openssl::Deleter<ASN1_INTEGER_free>>;
using TimePtr = std::unique_ptr<ASN1_TIME, openssl::Deleter<ASN1_TIME_free>>;

constexpr long kVersion2 = 1;
/// As of certificates: clocks differ, and a list of the future is as bad as none.
constexpr Duration kBackdated = std::chrono::hours(1);

absl::StatusOr<ListPtr> ReadList(const std::string& pem) {
  const openssl::BioPtr bio = openssl::MemoryBio(pem);
  ListPtr list(PEM_read_bio_X509_CRL(bio.get(), nullptr, nullptr, nullptr));
  if (!list) return absl::InvalidArgumentError("not a revocation list in PEM: " + openssl::LastError());
  return list;
}

TimePtr ToTime(WallTime time) {
  TimePtr made(ASN1_TIME_new());
  openssl::SetTime(made.get(), time);
  return made;
}

bool Lists(X509_CRL* list, X509* certificate) {
  X509_REVOKED* entry = nullptr;
  return X509_CRL_get0_by_serial(list, &entry, X509_get_serialNumber(certificate)) != 0;
}

/// Takes over the entries of `former`; returns its number, 0 when it has none.
absl::StatusOr<std::int64_t> AddFormer(X509_CRL* list, const std::string& former, EVP_PKEY* key) {
  if (former.empty()) return 0;
  SLICELET_ASSIGN_OR_RETURN(const ListPtr old, ReadList(former));
  if (X509_CRL_verify(old.get(), key) != 1)
    return absl::InvalidArgumentError("the former revocation list is not signed by this authority");
  STACK_OF(X509_REVOKED)* entries = X509_CRL_get_REVOKED(old.get());
  for (int i = 0; i < sk_X509_REVOKED_num(entries); ++i) {
    EntryPtr entry(X509_REVOKED_dup(sk_X509_REVOKED_value(entries, i)));
    if (!entry || X509_CRL_add0_revoked(list, entry.release()) != 1)
      return InternalError("cannot write a revocation list");
  }
  const IntegerPtr number(
      static_cast<ASN1_INTEGER*>(X509_CRL_get_ext_d2i(old.get(), NID_crl_number, nullptr, nullptr)));
  std::int64_t value = 0;
  return number && ASN1_INTEGER_get_int64(&value, number.get()) == 1 ? value : 0;
}

absl::Status Revoke(X509_CRL* list, X509* certificate, EVP_PKEY* key, WallTime now) {
  if (X509_verify(certificate, key) != 1)
    return absl::InvalidArgumentError("a certificate to revoke is not signed by this authority");
  if (Lists(list, certificate)) return absl::OkStatus();
  EntryPtr entry(X509_REVOKED_new());
  const bool written = X509_REVOKED_set_serialNumber(entry.get(), X509_get_serialNumber(certificate)) == 1 &&
                       X509_REVOKED_set_revocationDate(entry.get(), ToTime(now).get()) == 1 &&
                       X509_CRL_add0_revoked(list, entry.release()) == 1;
  return written ? absl::OkStatus() : InternalError("cannot write a revocation list");
}

}  // namespace

absl::StatusOr<std::string> MakeRevocationList(const CertificateAndKey& authority, const std::string& former,
                                               const std::string& revoked_pem, WallTime now) {
  const openssl::ErrorsEndHere errors_end_here;
  SLICELET_ASSIGN_OR_RETURN(const X509Ptr issuer, openssl::ReadPem(authority.certificate_pem));
  SLICELET_ASSIGN_OR_RETURN(const openssl::KeyPtr key, openssl::ReadPrivateKeyPem(authority.key_pem));
  if (X509_check_private_key(issuer.get(), key.get()) != 1)
    return absl::InvalidArgumentError("the authority's key does not belong to its certificate");
  const ListPtr list(X509_CRL_new());
  X509_CRL_set_version(list.get(), kVersion2);
  X509_CRL_set_issuer_name(list.get(), X509_get_subject_name(issuer.get()));
  X509_CRL_set1_lastUpdate(list.get(), ToTime(now - kBackdated).get());
  X509_CRL_set1_nextUpdate(list.get(), X509_get0_notAfter(issuer.get()));
  SLICELET_ASSIGN_OR_RETURN(const std::int64_t number, AddFormer(list.get(), former, key.get()));
  const openssl::CertificatesPtr revoked = openssl::ReadAllPem(revoked_pem);
  for (int i = 0; i < sk_X509_num(revoked.get()); ++i)
    SLICELET_RETURN_IF_ERROR(Revoke(list.get(), sk_X509_value(revoked.get(), i), key.get(), now));
  const IntegerPtr next(ASN1_INTEGER_new());
  ASN1_INTEGER_set_int64(next.get(), number + 1);
  X509_CRL_add1_ext_i2d(list.get(), NID_crl_number, next.get(), 0, 0);
  X509_CRL_sort(list.get());
  if (X509_CRL_sign(list.get(), key.get(), EVP_sha256()) == 0)
    return InternalError("cannot sign a revocation list");
  const openssl::BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509_CRL(bio.get(), list.get());
  return openssl::TakeBio(bio.get());
}

absl::StatusOr<bool> IsRevoked(const std::string& list, const std::string& certificate_pem) {
  const openssl::ErrorsEndHere errors_end_here;
  SLICELET_ASSIGN_OR_RETURN(const ListPtr read, ReadList(list));
  SLICELET_ASSIGN_OR_RETURN(const X509Ptr certificate, openssl::ReadPem(certificate_pem));
  return Lists(read.get(), certificate.get());
}

}  // namespace slicelet
