#include "common/metrics/metrics_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace slicelet {
namespace {

using testing::HasSubstr;

TEST(MetricsPage, ShowsFamiliesWithHelpTypeAndLabels) {
  MetricsPage page;
  page.Gauge("slicelet_provider_hosts", "Hosts by state.", 3, {{"state", "connected"}});
  page.Counter("slicelet_provider_births_total", "Sessions that began.", 7);
  page.Gauge("slicelet_provider_hosts", "ignored", 1, {{"state", "revoked"}});
  EXPECT_EQ(page.Text(),
            "# HELP slicelet_provider_hosts Hosts by state.\n"
            "# TYPE slicelet_provider_hosts gauge\n"
            "slicelet_provider_hosts{state=\"connected\"} 3\n"
            "slicelet_provider_hosts{state=\"revoked\"} 1\n"
            "# HELP slicelet_provider_births_total Sessions that began.\n"
            "# TYPE slicelet_provider_births_total counter\n"
            "slicelet_provider_births_total 7\n");
}

TEST(MetricsPage, LabelValuesCannotBreakTheFormat) {
  MetricsPage page;
  page.Gauge("slicelet_x", "X.", 1, {{"name", "a\"b\\c\nd"}});
  EXPECT_THAT(page.Text(), HasSubstr("{name=\"a\\\"b\\\\c\\nd\"} 1"));
}

}  // namespace
}  // namespace slicelet
