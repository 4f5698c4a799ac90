#include "common/rest/system_authorities.h"

#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <memory>

#include "common/base/testing/temporary_directory.h"
#include "common/tls/pki.h"

namespace slicelet {
namespace {

using Context = std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)>;

int AuthoritiesOf(const Context& context) {
  STACK_OF(X509_OBJECT)* all = X509_STORE_get0_objects(SSL_CTX_get_cert_store(context.get()));
  return sk_X509_OBJECT_num(all);
}

TEST(SystemAuthorities, AreLoadedOnlyWhereTheyAreTrusted) {
  const TemporaryDirectory directory;
  const std::string file = directory.File("authorities.pem");
  const auto authority =
      MakeAuthority("the system's", WallTime(std::chrono::system_clock::now()), std::chrono::hours(1));
  ASSERT_TRUE(authority.ok());
  std::ofstream(file) << authority->certificate_pem;
  setenv("SSL_CERT_FILE", file.c_str(), 1);

  SkipSystemAuthorities();
  SkipSystemAuthorities();  // Said twice is as good.
  const Context context(SSL_CTX_new(TLS_client_method()), &SSL_CTX_free);
  ASSERT_EQ(SSL_CTX_set_default_verify_paths(context.get()), 1) << "what cpprestsdk does";
  EXPECT_EQ(AuthoritiesOf(context), 0);
  TrustSystemAuthorities(context.get());
  EXPECT_EQ(AuthoritiesOf(context), 1);
}

}  // namespace
}  // namespace slicelet
