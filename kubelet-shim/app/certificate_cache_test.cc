#include "kubelet-shim/app/certificate_cache.h"

#include <gmock/gmock.h>

#include "common/base/testing/fake_clock.h"
#include "common/base/testing/fake_file_system.h"

namespace slicelet::shim {
namespace {

using Use = CertificateCache::Use;

class CertificateCacheTest : public testing::Test {
 protected:
  CertificateAndKey Issue(const std::string& name, Duration validity) {
    const auto authority = MakeAuthority("cluster", clock_.Now(), std::chrono::hours(1'000)).value();
    return IssueCertificate(authority, {.common_name = name, .client = true}, clock_.Now(), validity).value();
  }

  SystemClock clock_;
  FakeFileSystem files_;
  CertificateCache cache_{"/certificates", files_, clock_};
};

TEST_F(CertificateCacheTest, GivesBackWhatWasStoredForThisNodeAndUse) {
  const auto certificate = Issue("system:node:gw-1", std::chrono::hours(1));
  cache_.Store("gw-1", Use::kClient, certificate);
  const auto loaded = cache_.Load("gw-1", Use::kClient);
  ASSERT_TRUE(loaded.has_value());
  EXPECT_EQ(loaded->certificate_pem, certificate.certificate_pem);
  EXPECT_EQ(loaded->key_pem, certificate.key_pem);
  EXPECT_FALSE(cache_.Load("gw-1", Use::kServing).has_value());
  EXPECT_EQ(files_.Stat("/certificates/gw-1-client.json")->mode & 0777U, 0600U);
  cache_.Remove("gw-1");
  EXPECT_FALSE(cache_.Load("gw-1", Use::kClient).has_value());
}

TEST_F(CertificateCacheTest, DoesNotUseWhatIsOldDamagedOrAnotherNodes) {
  cache_.Store("old", Use::kClient, Issue("system:node:old", std::chrono::minutes(5)));
  EXPECT_FALSE(cache_.Load("old", Use::kClient).has_value());
  cache_.Store("gw-2", Use::kClient, Issue("system:node:gw-1", std::chrono::hours(1)));
  EXPECT_FALSE(cache_.Load("gw-2", Use::kClient).has_value());
  ASSERT_TRUE(files_.WriteAtomically("/certificates/gw-3-client.json", "{\"cert", 0600).ok());
  EXPECT_FALSE(cache_.Load("gw-3", Use::kClient).has_value());
}

}  // namespace
}  // namespace slicelet::shim
