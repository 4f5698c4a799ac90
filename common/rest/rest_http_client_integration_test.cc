#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <optional>

#include "common/loop/asio_loop.h"
#include "common/loop/testing/late_loop.h"
#include "common/loop/testing/run_until.h"
#include "common/metrics/metrics_server.h"
#include "common/rest/rest_http_client.h"
#include "common/rest/testing/endless_server.h"
#include "common/tls/pki.h"

namespace slicelet {
namespace {

WallTime Now() { return WallTime(std::chrono::system_clock::now()); }

/// Servers whose certificates are from authorities of their own.
class RestHttpClientTest : public testing::Test {
 protected:
  static CertificateAndKey NewAuthority(const std::string& name) {
    return *MakeAuthority(name, Now(), std::chrono::hours(24));
  }
  /// The port of a server.
  int Serve(MetricsServer& server, const CertificateAndKey& authority) {
    const CertificateTemplate contents{
        .common_name = "server", .ip_addresses = {"127.0.0.1"}, .server = true};
    const auto certificate = IssueCertificate(authority, contents, Now(), std::chrono::hours(24));
    EXPECT_TRUE(certificate.ok()) << certificate.status();
    const auto port = server.Start("127.0.0.1:0", *certificate);
    EXPECT_TRUE(port.ok()) << port.status();
    return port.value_or(0);
  }
  absl::StatusOr<HttpClient::Answer> Get(HttpClient& client, int port, const std::string& ca) {
    std::optional<absl::StatusOr<HttpClient::Answer>> got;
    client.Send({.method = "GET",
                 .url = "https://127.0.0.1:" + std::to_string(port) + "/healthz",
                 .body = "",
                 .ca = ca},
                [&](absl::StatusOr<HttpClient::Answer> answer) { got = std::move(answer); });
    if (!RunLoopUntil(loop_, [&] { return got.has_value(); }))
      return absl::DeadlineExceededError("no answer");
    return *got;
  }

  AsioLoop loop_;
};

TEST_F(RestHttpClientTest, ARequestTrustsTheAuthoritiesThatItNames) {
  const CertificateAndKey one = NewAuthority("one");
  const CertificateAndKey other = NewAuthority("other");
  MetricsServer server(loop_, [](MetricsPage&) {});
  const int port = Serve(server, one);
  const auto client = MakeRestHttpClient(loop_);
  EXPECT_TRUE(absl::IsUnavailable(Get(*client, port, "").status())) << "the system's do not know it";
  EXPECT_TRUE(absl::IsUnavailable(Get(*client, port, other.certificate_pem).status()));
  const auto trusted = Get(*client, port, one.certificate_pem);
  ASSERT_TRUE(trusted.ok()) << trusted.status();
  EXPECT_EQ(trusted->status, 200);
  // The connection that is kept is for those who trust it.
  EXPECT_TRUE(absl::IsUnavailable(Get(*client, port, "").status()));
  EXPECT_TRUE(absl::IsUnavailable(Get(*client, port, "no certificate").status()));
  EXPECT_TRUE(Get(*client, port, other.certificate_pem + one.certificate_pem).ok()) << "one of several";
}

TEST_F(RestHttpClientTest, ARequestThatNamesNoneTrustsTheClients) {
  const CertificateAndKey one = NewAuthority("one");
  const CertificateAndKey other = NewAuthority("other");
  MetricsServer server(loop_, [](MetricsPage&) {});
  const int port = Serve(server, one);
  const auto client = MakeRestHttpClient(loop_, one.certificate_pem);
  EXPECT_TRUE(Get(*client, port, "").ok());
  EXPECT_TRUE(absl::IsUnavailable(Get(*client, port, other.certificate_pem).status()))
      << "instead, not beside";
}

absl::StatusOr<HttpClient::Answer> GetFrom(AsioLoop& loop, HttpClient& client, const std::string& url) {
  std::optional<absl::StatusOr<HttpClient::Answer>> got;
  client.Send({.method = "GET", .url = url, .body = ""},
              [&](absl::StatusOr<HttpClient::Answer> answer) { got = std::move(answer); });
  if (!RunLoopUntil(loop, [&] { return got.has_value(); })) return absl::DeadlineExceededError("no answer");
  return *got;
}

TEST_F(RestHttpClientTest, AnAnswerWithoutEndIsReadNoFurtherThanItsBound) {
  EndlessServer server(std::size_t{64} << 10);
  const auto client = MakeRestHttpClient(loop_, "", {.answer = std::size_t{1} << 20});
  const auto answer = GetFrom(loop_, *client, server.url());
  EXPECT_TRUE(absl::IsUnavailable(answer.status())) << answer.status();
  EXPECT_THAT(Message(answer.status()), testing::HasSubstr("the answer is larger than 1048576 bytes"));
  EXPECT_TRUE(RunLoopUntil(loop_, [&] { return server.closed() == 1; })) << "the connection stays open";
  // What the kernel holds for both is beside it.
  EXPECT_LT(server.sent(), std::size_t{64} << 20);
}

TEST_F(RestHttpClientTest, AnAnswerThatDripsEndsAtTheDeadline) {
  EndlessServer server(1, 10);
  LateLoop late(loop_, [&server] { return server.sent() > 0; });
  const auto client = MakeRestHttpClient(late, "", {.whole = std::chrono::milliseconds(300)});
  const auto answer = GetFrom(loop_, *client, server.url());
  EXPECT_TRUE(absl::IsUnavailable(answer.status())) << answer.status();
  EXPECT_THAT(Message(answer.status()), testing::HasSubstr("the whole answer did not come in time"));
  EXPECT_TRUE(RunLoopUntil(loop_, [&] { return server.closed() == 1; })) << "the connection stays open";
}

TEST_F(RestHttpClientTest, WhatIsUnderWayEndsWithTheClient) {
  EndlessServer server(1, 10);
  auto client = MakeRestHttpClient(loop_);
  client->Send({.method = "GET", .url = server.url(), .body = ""},
               [](const absl::StatusOr<HttpClient::Answer>&) { FAIL() << "answered after its end"; });
  ASSERT_TRUE(RunLoopUntil(loop_, [&] { return server.sent() > 100; }));
  client.reset();
  EXPECT_TRUE(RunLoopUntil(loop_, [&] { return server.closed() == 1; })) << "the connection stays open";
}

}  // namespace
}  // namespace slicelet
