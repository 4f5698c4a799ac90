#include "common/rest/system_authorities.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <cstdlib>
#include <string>

namespace slicelet {
namespace {

std::string FromEnvironment(const char* variable, const char* otherwise) {
  const char* value = std::getenv(variable);
  return value != nullptr ? value : otherwise;
}

std::string FileOfAuthorities() {
  return FromEnvironment(X509_get_default_cert_file_env(), X509_get_default_cert_file());
}

/// What SSL_CERT_FILE meant before it was set aside.
std::string& KeptFile() {
  static std::string file = FileOfAuthorities();
  return file;
}

X509_STORE* LoadSystemAuthorities() {
  X509_STORE* store = X509_STORE_new();
  // Neither has to be there.
  X509_STORE_load_file(store, KeptFile().c_str());
  X509_STORE_load_path(store,
                       FromEnvironment(X509_get_default_cert_dir_env(), X509_get_default_cert_dir()).c_str());
  ERR_clear_error();
  return store;
}

}  // namespace

void SkipSystemAuthorities() {
  KeptFile();
  setenv(X509_get_default_cert_file_env(), "/dev/null", 1);
}

void TrustSystemAuthorities(SSL_CTX* context) {
  static X509_STORE* const store = LoadSystemAuthorities();
  SSL_CTX_set1_cert_store(context, store);
}

}  // namespace slicelet
