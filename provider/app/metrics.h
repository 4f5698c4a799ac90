#pragma once

#include "common/metrics/metrics_page.h"
#include "slicelet/v1/admin.pb.h"

namespace slicelet::provider {

/// The provider's metrics, from the same answers that slicectl gets. Names: docs/operations.md.
void AddHubMetrics(const v1::ListHostsReply& hosts, const v1::ListOrphansReply& orphans, MetricsPage& page);

}  // namespace slicelet::provider
