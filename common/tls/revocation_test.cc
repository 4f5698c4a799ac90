#include "common/tls/revocation.h"

#include <gtest/gtest.h>

namespace slicelet {
namespace {

using std::chrono::hours;

const WallTime kNow = FromUnixNanos(1'790'000'000'000'000'000);

class RevocationTest : public testing::Test {
 protected:
  std::string Issue(const std::string& name) const {
    return IssueCertificate(authority_, {.common_name = name, .client = true}, kNow, hours(24))
        ->certificate_pem;
  }
  std::string List(const std::string& former, const std::string& revoked) const {
    const auto made = MakeRevocationList(authority_, former, revoked, kNow);
    EXPECT_TRUE(made.ok()) << made.status();
    return made.ok() ? *made : "";
  }
  const CertificateAndKey authority_ = *MakeAuthority("test-hub", kNow, hours(365 * 24));
};

TEST_F(RevocationTest, ListsWhatWasRevokedAndNothingElse) {
  const std::string one = Issue("gw-1");
  const std::string other = Issue("gw-2");
  const std::string empty = List("", "");
  EXPECT_FALSE(IsRevoked(empty, one).value());
  const std::string list = List(empty, one);
  EXPECT_TRUE(IsRevoked(list, one).value());
  EXPECT_FALSE(IsRevoked(list, other).value());
  // Its name is not what counts: the host may get another certificate.
  EXPECT_FALSE(IsRevoked(list, Issue("gw-1")).value());
}

TEST_F(RevocationTest, WhatWasRevokedStaysRevoked) {
  const std::string one = Issue("gw-1");
  const std::string two = Issue("gw-2");
  const std::string three = Issue("gw-3");
  const std::string list = List(List("", one), two + three);
  for (const std::string& revoked : {one, two, three}) EXPECT_TRUE(IsRevoked(list, revoked).value());
  EXPECT_TRUE(IsRevoked(List(list, one), two).value()) << "once more changes nothing";
}

TEST_F(RevocationTest, ADamagedOrForeignListOrCertificateIsRefused) {
  const CertificateAndKey other = *MakeAuthority("test-hub", kNow, hours(24));
  const std::string foreign =
      IssueCertificate(other, {.common_name = "gw-1", .client = true}, kNow, hours(24))->certificate_pem;
  const auto code = [&](const std::string& former, const std::string& revoked) {
    return MakeRevocationList(authority_, former, revoked, kNow).status().code();
  };
  EXPECT_EQ(code("", foreign), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(*MakeRevocationList(other, "", "", kNow), ""), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code("-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n", ""),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(IsRevoked("nothing", foreign).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(MakeRevocationList({authority_.certificate_pem, other.key_pem}, "", "", kNow).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace slicelet
