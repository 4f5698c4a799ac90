#pragma once

// Certificates as OpenSSL has them. For .cc files of common/tls only.

#include <openssl/x509.h>

#include <chrono>
#include <ctime>
#include <string>

#include "common/base/time.h"
#include "common/crypto/openssl.h"

namespace slicelet::openssl {

inline void FreeCertificates(STACK_OF(X509) * stack) { sk_X509_pop_free(stack, X509_free); }

using X509Ptr = std::unique_ptr<X509, Deleter<X509_free>>;
using CertificatesPtr = std::unique_ptr<STACK_OF(X509), Deleter<FreeCertificates>>;

/// The first certificate of a text.
inline absl::StatusOr<X509Ptr> ReadPem(const std::string& pem) {
  const BioPtr bio = MemoryBio(pem);
  X509Ptr certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  if (!certificate) return absl::InvalidArgumentError("not a certificate in PEM: " + LastError());
  return certificate;
}

inline CertificatesPtr ReadAllPem(const std::string& pem) {
  CertificatesPtr all(sk_X509_new_null());
  const BioPtr bio = MemoryBio(pem);
  while (X509* certificate = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
    sk_X509_push(all.get(), certificate);
  }
  ERR_clear_error();  // the end of the text is reported as an error
  return all;
}

inline void SetTime(ASN1_TIME* target, WallTime time) {
  ASN1_TIME_set(
      target, static_cast<time_t>(std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count()));
}

}  // namespace slicelet::openssl
