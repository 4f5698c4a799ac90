#include "provider/app/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/testing/fake_file_system.h"
#include "common/tls/pki.h"

namespace slicelet::provider {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

TEST(HubMetrics, CountHostsByStateAndThoseBehind) {
  v1::ListHostsReply hosts;
  auto& up = *hosts.add_hosts();
  up.set_name("gw-1");
  up.set_approved(true);
  up.set_connected(true);
  up.set_workloads(3);
  up.set_refused(2);
  up.set_last_seen(1'790'000'000'500'000'000);
  up.set_number(17);
  up.set_log_tail_bytes(4096);
  up.set_accepted(true);
  auto& away = *hosts.add_hosts();
  away.set_name("gw-2");
  away.set_approved(true);
  auto& revoked = *hosts.add_hosts();
  revoked.set_name("gw-3");
  revoked.set_approved(true);
  revoked.set_revoked(true);
  hosts.set_log_tails_dropped(5);
  v1::ListOrphansReply orphans;
  orphans.add_orphans()->set_state("Held");

  MetricsPage page;
  AddHubMetrics(hosts, orphans, page);
  const std::string text = page.Text();
  EXPECT_THAT(text, HasSubstr("slicelet_provider_hosts{state=\"connected\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("slicelet_provider_hosts{state=\"away\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("slicelet_provider_hosts{state=\"revoked\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("slicelet_provider_hosts{state=\"unapproved\"} 0\n"));
  EXPECT_THAT(text,
              HasSubstr("slicelet_provider_host_last_seen_timestamp_seconds{host=\"gw-1\"} 1790000000.5\n"));
  EXPECT_THAT(text, Not(HasSubstr("last_seen_timestamp_seconds{host=\"gw-2\"}"))) << "it was never heard";
  EXPECT_THAT(text, HasSubstr("slicelet_provider_host_refused_total{host=\"gw-1\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("slicelet_provider_host_workloads{host=\"gw-1\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("slicelet_provider_host_generation{host=\"gw-1\"} 17\n"));
  EXPECT_THAT(text, HasSubstr("slicelet_provider_host_log_tail_bytes{host=\"gw-1\"} 4096\n"));
  EXPECT_THAT(text, HasSubstr("slicelet_provider_log_tails_dropped_total 5\n"));
  EXPECT_THAT(text, HasSubstr("slicelet_provider_hosts_behind 2\n"));
  EXPECT_THAT(text, HasSubstr("slicelet_provider_orphans{state=\"Held\"} 1\n"));
}

TEST(HubMetrics, SayWhenCertificatesEnd) {
  const WallTime now = FromUnixNanos(1'790'000'000'000'000'000);
  const auto authority = *MakeAuthority("plant-7", now, std::chrono::hours(24));
  FakeFileSystem files;
  files.Put("/hub/ca.crt", {.mode = 0644, .data = authority.certificate_pem});
  MetricsPage page;
  AddCertificateMetrics({"/hub/ca.crt", "/hub/gone.crt"}, files, page);
  v1::ListHostsReply hosts;
  for (const char* name : {"gw-1", "gw-2"}) hosts.add_hosts()->set_name(name);
  AddHostCertificateMetrics(
      hosts, [&](const std::string& host) { return host == "gw-1" ? std::optional(now) : std::nullopt; },
      page);
  const std::string text = page.Text();
  EXPECT_THAT(text, HasSubstr("slicelet_provider_certificate_expiry_timestamp_seconds{file=\"/hub/ca.crt\"} "
                              "1790086400\n"));
  EXPECT_THAT(
      text,
      HasSubstr("slicelet_provider_host_certificate_expiry_timestamp_seconds{host=\"gw-1\"} 1790000000\n"));
  EXPECT_THAT(text, Not(HasSubstr("gone.crt")));
  EXPECT_THAT(text, Not(HasSubstr("gw-2")));
}

TEST(HubMetrics, NameEachCertificateOnce) {
  ProviderConfig config;
  config.agents.tls.ca_file = "/hub/ca.crt";
  config.agents.tls.certificate_file = "/hub/provider.crt";
  EXPECT_THAT(CertificateFiles(config), ElementsAre("/hub/ca.crt", "/hub/provider.crt"));
  config.remote = config.agents;
  config.mqtt.emplace();
  config.mqtt->ca_file = "/hub/ca.crt";
  config.mqtt->certificate_file = "/hub/mqtt.crt";
  config.admin_rest.emplace();
  config.admin_rest->certificate_file = "/admin.crt";
  config.metrics.listen = "127.0.0.1:1";
  config.metrics.certificate_file = "/hub/provider.crt";
  EXPECT_THAT(CertificateFiles(config),
              ElementsAre("/admin.crt", "/hub/ca.crt", "/hub/mqtt.crt", "/hub/provider.crt"));
}

}  // namespace
}  // namespace slicelet::provider
