#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/base/file_system.h"
#include "common/base/time.h"
#include "common/metrics/metrics_page.h"
#include "provider/app/config.h"
#include "slicelet/v1/admin.pb.h"

namespace slicelet::provider {

/// The provider's metrics, from the same answers that slicectl gets. Names: docs/operations.md.
void AddHubMetrics(const v1::ListHostsReply& hosts, const v1::ListOrphansReply& orphans, MetricsPage& page);

/// When the certificate of a host ends; nullopt: nobody knows.
using HostCertificateEnd = std::function<std::optional<WallTime>(const std::string& host)>;
/// Of those hosts of which it is known.
void AddHostCertificateMetrics(const v1::ListHostsReply& hosts, const HostCertificateEnd& end,
                               MetricsPage& page);

/// Certificates that the provider is configured with, the hub's authority among them; each once.
std::vector<std::string> CertificateFiles(const ProviderConfig& config);
/// When each of the files ends, as it is now: read at every call. One that can not be read is left out.
void AddCertificateMetrics(const std::vector<std::string>& certificates, FileSystem& files,
                           MetricsPage& page);

}  // namespace slicelet::provider
