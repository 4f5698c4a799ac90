#include "provider/app/metrics.h"

#include <map>
#include <string>

namespace slicelet::provider {
namespace {

std::string StateOf(const v1::HostInfo& host) {
  if (host.revoked()) return "revoked";
  if (!host.approved()) return "unapproved";
  return host.connected() ? "connected" : "away";
}

}  // namespace

void AddHubMetrics(const v1::ListHostsReply& hosts, const v1::ListOrphansReply& orphans, MetricsPage& page) {
  std::map<std::string, int> states = {{"connected", 0}, {"away", 0}, {"unapproved", 0}, {"revoked", 0}};
  for (const auto& host : hosts.hosts()) ++states[StateOf(host)];
  for (const auto& [state, count] : states) {
    page.Gauge("slicelet_provider_hosts", "Hosts by state.", count, {{"state", state}});
  }
  int behind = 0;
  for (const auto& host : hosts.hosts()) {
    const MetricsPage::Labels label = {{"host", host.name()}};
    page.Gauge("slicelet_provider_host_connected", "1 while the host's link is up.", host.connected() ? 1 : 0,
               label);
    page.Gauge("slicelet_provider_host_last_seen_timestamp_seconds", "When the host was last heard.",
               static_cast<double>(host.last_seen()), label);
    page.Counter("slicelet_provider_host_refused_total",
                 "Messages that came over the host's broker and that it did not accept.",
                 static_cast<double>(host.refused()), label);
    page.Gauge("slicelet_provider_host_workloads", "Workloads in the host's manifest.", host.workloads(),
               label);
    page.Gauge("slicelet_provider_host_generation", "Number of the host's newest manifest.",
               static_cast<double>(host.number()), label);
    page.Gauge("slicelet_provider_host_log_tail_bytes", "Kept of the logs of the host's containers.",
               static_cast<double>(host.log_tail_bytes()), label);
    if (!host.accepted()) ++behind;
  }
  page.Gauge("slicelet_provider_hosts_behind", "Hosts that have not accepted their newest manifest.", behind);
  page.Counter("slicelet_provider_log_tails_dropped_total", "Ends of logs that made room for others.",
               static_cast<double>(hosts.log_tails_dropped()));
  std::map<std::string, int> orphan_states = {{"Held", 0}, {"Orphaned", 0}};
  for (const auto& orphan : orphans.orphans()) ++orphan_states[orphan.state()];
  for (const auto& [state, count] : orphan_states) {
    page.Gauge("slicelet_provider_orphans", "Workloads whose pod Kubernetes does not show any more.", count,
               {{"state", state}});
  }
}

}  // namespace slicelet::provider
