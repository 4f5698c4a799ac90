#include "common/http/http_tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "common/tls/pki.h"

namespace slicelet {
namespace {

using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;

Bio Open(const std::string& pem) {
  return {BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), BIO_free};
}

Certificate NextCertificate(const Bio& bio) {
  return {PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr), X509_free};
}

absl::Status TlsError(const std::string& what) {
  char reason[256] = "unknown reason";
  if (const auto error = ERR_get_error(); error != 0) ERR_error_string_n(error, reason, sizeof(reason));
  ERR_clear_error();
  return absl::InvalidArgumentError(what + ": " + reason);
}

std::string ToPem(X509* certificate) {
  const Bio bio(BIO_new(BIO_s_mem()), BIO_free);
  PEM_write_bio_X509(bio.get(), certificate);
  char* data = nullptr;
  const auto size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

/// A certificate that does not verify is not a reason to end the handshake: `VerifyPeer` decides, with the
/// bundle of that moment.
int AcceptForNow(int, X509_STORE_CTX*) { return 1; }

int SelectHttp11(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in,
                 unsigned int in_size, void*) {
  static constexpr unsigned char kProtocols[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
  unsigned char* selected = nullptr;
  if (SSL_select_next_proto(&selected, out_size, kProtocols, sizeof(kProtocols), in, in_size) !=
      OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_NOACK;
  }
  *out = selected;
  return SSL_TLSEXT_ERR_OK;
}

}  // namespace

absl::StatusOr<ClientCa> ReadClientCa(const std::string& pem) {
  ClientCa store(X509_STORE_new(), X509_STORE_free);
  const auto bio = Open(pem);
  int count = 0;
  while (const auto certificate = NextCertificate(bio)) {
    X509_STORE_add_cert(store.get(), certificate.get());
    ++count;
  }
  ERR_clear_error();
  if (count == 0) return absl::InvalidArgumentError("the client CA bundle holds no PEM certificate");
  return store;
}

absl::Status ConfigureServing(SSL_CTX* context, const std::string& certificate_pem,
                              const std::string& key_pem) {
  ERR_clear_error();
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  // A resumed session would carry a client certificate that was checked long ago.
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, AcceptForNow);
  SSL_CTX_set_alpn_select_cb(context, SelectHttp11, nullptr);

  const auto chain = Open(certificate_pem);
  const auto leaf = NextCertificate(chain);
  if (!leaf || SSL_CTX_use_certificate(context, leaf.get()) != 1)
    return TlsError("the serving certificate is unusable");
  while (auto intermediate = NextCertificate(chain)) SSL_CTX_add0_chain_cert(context, intermediate.release());
  ERR_clear_error();
  const auto key_bio = Open(key_pem);
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(
      PEM_read_bio_PrivateKey(key_bio.get(), nullptr, nullptr, nullptr), EVP_PKEY_free);
  if (!key || SSL_CTX_use_PrivateKey(context, key.get()) != 1 || SSL_CTX_check_private_key(context) != 1) {
    return TlsError("the serving key is unusable or not the certificate's");
  }
  return absl::OkStatus();
}

HttpPeer VerifyPeer(SSL* connection, const ClientCa& client_ca) {
  HttpPeer peer;
  const Certificate certificate(SSL_get1_peer_certificate(connection), X509_free);
  if (!certificate || !client_ca) return peer;
  const std::unique_ptr<X509_STORE_CTX, decltype(&X509_STORE_CTX_free)> check(X509_STORE_CTX_new(),
                                                                              X509_STORE_CTX_free);
  if (X509_STORE_CTX_init(check.get(), client_ca.get(), certificate.get(),
                          SSL_get_peer_cert_chain(connection)) != 1) {
    return peer;
  }
  X509_STORE_CTX_set_purpose(check.get(), X509_PURPOSE_SSL_CLIENT);
  const bool valid = X509_verify_cert(check.get()) == 1;
  ERR_clear_error();
  if (!valid) return peer;
  auto info = ReadCertificate(ToPem(certificate.get()));
  if (!info.ok() || info->common_name.empty()) return peer;
  peer.verified = true;
  peer.common_name = std::move(info->common_name);
  peer.organizations = std::move(info->organizations);
  return peer;
}

}  // namespace slicelet
