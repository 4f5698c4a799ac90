#include "provider/app/metrics.h"

#include <algorithm>
#include <map>
#include <string>

#include "common/tls/expiry.h"

namespace slicelet::provider {
namespace {

constexpr double kNanosPerSecond = 1e9;

std::string StateOf(const v1::HostInfo& host) {
  if (host.revoked()) return "revoked";
  if (!host.approved()) return "unapproved";
  return host.connected() ? "connected" : "away";
}

double UnixSeconds(WallTime time) {
  return static_cast<double>(std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count());
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
    if (host.last_seen() != 0) {
      page.Gauge("slicelet_provider_host_last_seen_timestamp_seconds", "When the host was last heard.",
                 static_cast<double>(host.last_seen()) / kNanosPerSecond, label);
    }
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

void AddHostCertificateMetrics(const v1::ListHostsReply& hosts, const HostCertificateEnd& end,
                               MetricsPage& page) {
  for (const auto& host : hosts.hosts()) {
    const auto known = end(host.name());
    if (!known) continue;
    page.Gauge("slicelet_provider_host_certificate_expiry_timestamp_seconds",
               "When the certificate ends that the host showed.", UnixSeconds(*known),
               {{"host", host.name()}});
  }
}

std::vector<std::string> CertificateFiles(const ProviderConfig& config) {
  std::vector<std::string> all = {config.agents.tls.ca_file, config.agents.tls.certificate_file};
  if (config.remote) {
    all.push_back(config.remote->tls.ca_file);
    all.push_back(config.remote->tls.certificate_file);
  }
  if (config.mqtt) {
    all.push_back(config.mqtt->ca_file);
    all.push_back(config.mqtt->certificate_file);
  }
  if (config.admin_rest) all.push_back(config.admin_rest->certificate_file);
  if (!config.metrics.listen.empty()) all.push_back(config.metrics.certificate_file);
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

void AddCertificateMetrics(const std::vector<std::string>& certificates, FileSystem& files,
                           MetricsPage& page) {
  for (const std::string& file : certificates) {
    const auto end = CertificateEnd(file, files);
    if (!end) continue;
    page.Gauge("slicelet_provider_certificate_expiry_timestamp_seconds",
               "When a certificate of the provider ends.", UnixSeconds(*end), {{"file", file}});
  }
}

}  // namespace slicelet::provider
