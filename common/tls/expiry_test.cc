#include "common/tls/expiry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "common/base/testing/fake_file_system.h"
#include "common/log/log.h"
#include "common/tls/pki.h"

namespace slicelet {
namespace {

using std::chrono::hours;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const WallTime kNow = FromUnixNanos(1'790'000'000'000'000'000);
constexpr Duration kDay = hours(24);

class ExpiryTest : public testing::Test {
 protected:
  ExpiryTest() {
    SetLogSink([this](LogLevel, const std::string& line) { lines_.push_back(line); });
    const auto authority = *MakeAuthority("test-hub", kNow, 100 * kDay);
    const auto issued = *IssueCertificate(authority, {.common_name = "x"}, kNow, 40 * kDay);
    files_.Put("/tls/x.crt", {.mode = 0644, .data = issued.certificate_pem});
    files_.Put("/tls/none.crt", {.mode = 0644, .data = "none"});
  }
  ~ExpiryTest() override { SetLogSink({}); }
  void Warn(WallTime now, const std::string& file = "/tls/x.crt") {
    WarnIfCertificateFileEnds(file, "slicectl hub renew", files_, now);
  }
  FakeFileSystem files_;
  std::vector<std::string> lines_;
};

TEST_F(ExpiryTest, WarnsAMonthBeforeTheEndAndAfterIt) {
  Warn(kNow + 9 * kDay);
  EXPECT_THAT(lines_, IsEmpty());
  Warn(kNow + 10 * kDay);
  Warn(kNow + 40 * kDay);
  EXPECT_THAT(lines_,
              ElementsAre(AllOf(HasSubstr("certificate ends soon"), HasSubstr("/tls/x.crt"),
                                HasSubstr(FormatTime(kNow + 40 * kDay)), HasSubstr("slicectl hub renew")),
                          HasSubstr("certificate has ended")));
}

TEST_F(ExpiryTest, WhatIsNoCertificateEndsNever) {
  for (const char* file : {"/tls/none.crt", "/nonexistent"}) {
    Warn(kNow + 50 * kDay, file);
    EXPECT_EQ(CertificateEnd(file, files_), std::nullopt);
  }
  EXPECT_THAT(lines_, IsEmpty());
  EXPECT_EQ(CertificateEnd("/tls/x.crt", files_), kNow + 40 * kDay);
}

}  // namespace
}  // namespace slicelet
