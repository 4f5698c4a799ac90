#include "common/tls/pki.h"

#include <gtest/gtest.h>

namespace slicelet {
namespace {

using std::chrono::hours;

const WallTime kNow = FromUnixNanos(1'790'000'000'000'000'000);
constexpr Duration kYear = hours(365 * 24);

CertificateAndKey Authority() { return *MakeAuthority("test-hub", kNow, kYear); }

TEST(Pki, IssuesACertificateThatItsAuthorityVerifies) {
  const CertificateAndKey authority = Authority();
  const auto issued = IssueCertificate(authority,
                                       {.common_name = "gw-1",
                                        .organizations = {"slicelet:hosts"},
                                        .uris = {"spiffe://test-hub/host/gw-1"},
                                        .client = true},
                                       kNow, hours(24));
  ASSERT_TRUE(issued.ok()) << issued.status();
  EXPECT_TRUE(VerifyCertificate(issued->certificate_pem, authority.certificate_pem, kNow).ok());
  const auto info = ReadCertificate(issued->certificate_pem);
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(info->common_name, "gw-1");
  EXPECT_EQ(info->organizations, std::vector<std::string>{"slicelet:hosts"});
  EXPECT_EQ(info->uris, std::vector<std::string>{"spiffe://test-hub/host/gw-1"});
  EXPECT_EQ(info->not_after, kNow + hours(24));
  EXPECT_EQ(info->fingerprint.size(), 64U);
}

TEST(Pki, RefusesAnotherAuthoritysCertificate) {
  const auto issued = IssueCertificate(Authority(), {.common_name = "gw-1", .client = true}, kNow, kYear);
  ASSERT_TRUE(issued.ok());
  EXPECT_EQ(VerifyCertificate(issued->certificate_pem, Authority().certificate_pem, kNow).code(),
            absl::StatusCode::kUnauthenticated);
}

TEST(Pki, JudgesValidityAtTheTimeItIsGiven) {
  const CertificateAndKey authority = Authority();
  const auto issued = IssueCertificate(authority, {.common_name = "gw-1", .client = true}, kNow, hours(24));
  ASSERT_TRUE(issued.ok());
  EXPECT_TRUE(VerifyCertificate(issued->certificate_pem, authority.certificate_pem, kNow + hours(23)).ok());
  EXPECT_FALSE(VerifyCertificate(issued->certificate_pem, authority.certificate_pem, kNow + hours(25)).ok());
  // A host without a clock boots in 1970.
  EXPECT_FALSE(VerifyCertificate(issued->certificate_pem, authority.certificate_pem, FromUnixNanos(0)).ok());
}

TEST(Pki, MakesARequestInTheFormOfAKubeletsServingCertificate) {
  const auto request = MakeCertificateRequest(GenerateTlsKeyPem(), {.common_name = "system:node:gw-1",
                                                                    .organizations = {"system:nodes"},
                                                                    .dns_names = {"gw-1"},
                                                                    .ip_addresses = {"127.0.0.1"}});
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_NE(request->find("BEGIN CERTIFICATE REQUEST"), std::string::npos);
}

TEST(Pki, NamesWhatItCanNotPutIntoACertificate) {
  const auto status =
      MakeCertificateRequest(GenerateTlsKeyPem(), {.common_name = "x", .ip_addresses = {"not-an-address"}})
          .status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(Message(status).find("not-an-address"), std::string::npos);
  EXPECT_EQ(MakeCertificateRequest(GenerateTlsKeyPem(), {.common_name = "x", .dns_names = {"a,IP:1.2.3.4"}})
                .status()
                .code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(Pki, ARenewedCertificateHasTheFormersKeyAndNames) {
  const CertificateAndKey authority = Authority();
  const auto former = *IssueCertificate(authority,
                                        {.common_name = "gw-1",
                                         .organizations = {"slicelet:hosts"},
                                         .dns_names = {"gw-1.example.com"},
                                         .uris = {"spiffe://test-hub/host/gw-1"},
                                         .client = true},
                                        kNow, hours(24));
  // That it has ended is why it is renewed.
  const WallTime later = kNow + hours(48);
  const auto renewed = RenewCertificate(authority, former.certificate_pem, later, hours(24));
  ASSERT_TRUE(renewed.ok()) << renewed.status();
  EXPECT_FALSE(VerifyCertificate(former.certificate_pem, authority.certificate_pem, later).ok());
  EXPECT_TRUE(VerifyCertificate(*renewed, authority.certificate_pem, later).ok());
  EXPECT_TRUE(CheckKeyOfCertificate(*renewed, former.key_pem).ok());
  const auto info = *ReadCertificate(*renewed);
  EXPECT_EQ(info.common_name, "gw-1");
  EXPECT_EQ(info.organizations, std::vector<std::string>{"slicelet:hosts"});
  EXPECT_EQ(info.uris, std::vector<std::string>{"spiffe://test-hub/host/gw-1"});
  EXPECT_EQ(info.not_after, later + hours(24));
  EXPECT_NE(info.fingerprint, ReadCertificate(former.certificate_pem)->fingerprint);
}

TEST(Pki, RenewsOnlyWhatTheAuthorityHasIssued) {
  const CertificateAndKey authority = Authority();
  const CertificateAndKey other = Authority();
  const auto code = [&](const CertificateAndKey& issuer, const std::string& former) {
    return RenewCertificate(issuer, former, kNow, kYear).status().code();
  };
  const std::string foreign =
      IssueCertificate(other, {.common_name = "gw-1", .client = true}, kNow, kYear)->certificate_pem;
  EXPECT_EQ(code(authority, foreign), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(authority, authority.certificate_pem), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(authority, "half a file"), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code({other.certificate_pem, authority.key_pem}, foreign), absl::StatusCode::kInvalidArgument);
}

TEST(Pki, KnowsWhoseKeyItIs) {
  const auto one = *IssueCertificate(Authority(), {.common_name = "x"}, kNow, kYear);
  EXPECT_TRUE(CheckKeyOfCertificate(one.certificate_pem, one.key_pem).ok());
  EXPECT_FALSE(CheckKeyOfCertificate(one.certificate_pem, GenerateTlsKeyPem()).ok());
  EXPECT_FALSE(CheckKeyOfCertificate(one.certificate_pem, "").ok());
}

TEST(Pki, RefusesAnAuthorityWhoseKeyIsAnothers) {
  CertificateAndKey mixed = Authority();
  mixed.key_pem = Authority().key_pem;
  EXPECT_EQ(IssueCertificate(mixed, {.common_name = "x"}, kNow, kYear).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace slicelet
