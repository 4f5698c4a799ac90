// Any bytes as the certificate (DER) that comes with a Birth over a broker: it is read or refused with a
// reason, nobody vouches for it, and OpenSSL's queue of errors is left empty: the thread's next connection
// would find there what is not its own.
#include <openssl/err.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "common/base/encoding.h"
#include "common/crypto/tls_signing.h"
#include "common/tls/pki.h"

namespace {

const slicelet::WallTime kNow = slicelet::FromUnixNanos(1'790'000'000'000'000'000);

std::string ToPem(std::string_view der) {
  const std::string text = slicelet::Base64Encode(der);
  constexpr std::size_t kLine = 64;
  std::string pem = "-----BEGIN CERTIFICATE-----\n";
  for (std::size_t at = 0; at < text.size(); at += kLine) pem += text.substr(at, kLine) + "\n";
  return pem + "-----END CERTIFICATE-----\n";
}

void Judge(const absl::Status& status) {
  if (!status.ok() && slicelet::Message(status).empty()) std::abort();
  if (ERR_peek_error() != 0) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::string authority =
      slicelet::MakeAuthority("nobody's", kNow, std::chrono::hours(24))->certificate_pem;
  const std::string pem = ToPem(std::string_view(reinterpret_cast<const char*>(data), size));
  ERR_clear_error();
  const auto key = slicelet::TlsPublicKey::OfCertificate(pem);
  Judge(key.status());
  if (key.ok() && key->Verifies(slicelet::SignaturePurpose::kEnvelope, "bytes", "no signature")) std::abort();
  Judge(slicelet::ReadCertificate(pem).status());
  const absl::Status verified = slicelet::VerifyCertificate(pem, authority, kNow);
  Judge(verified);
  if (verified.ok()) std::abort();
  return 0;
}
