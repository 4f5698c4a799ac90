#include "provider/app/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace slicelet::provider {
namespace {

using testing::HasSubstr;

TEST(HubMetrics, CountHostsByStateAndThoseBehind) {
  v1::ListHostsReply hosts;
  auto& up = *hosts.add_hosts();
  up.set_name("gw-1");
  up.set_approved(true);
  up.set_connected(true);
  up.set_workloads(3);
  up.set_refused(2);
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
  EXPECT_THAT(text, HasSubstr("slicelet_provider_host_refused_total{host=\"gw-1\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("slicelet_provider_host_workloads{host=\"gw-1\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("slicelet_provider_host_generation{host=\"gw-1\"} 17\n"));
  EXPECT_THAT(text, HasSubstr("slicelet_provider_host_log_tail_bytes{host=\"gw-1\"} 4096\n"));
  EXPECT_THAT(text, HasSubstr("slicelet_provider_log_tails_dropped_total 5\n"));
  EXPECT_THAT(text, HasSubstr("slicelet_provider_hosts_behind 2\n"));
  EXPECT_THAT(text, HasSubstr("slicelet_provider_orphans{state=\"Held\"} 1\n"));
}

}  // namespace
}  // namespace slicelet::provider
