#include "common/metrics/metrics_page.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>

namespace slicelet {

void MetricsPage::Gauge(const std::string& name, const std::string& help, double value, Labels labels) {
  Add(name, help, false, value, std::move(labels));
}

void MetricsPage::Counter(const std::string& name, const std::string& help, double value, Labels labels) {
  Add(name, help, true, value, std::move(labels));
}

void MetricsPage::Add(const std::string& name, const std::string& help, bool counter, double value,
                      Labels labels) {
  auto family = std::find_if(families_.begin(), families_.end(),
                             [&](const Family& known) { return known.name == name; });
  if (family == families_.end()) family = families_.insert(family, {name, help, counter, {}});
  family->samples.push_back({value, std::move(labels)});
}

std::string MetricsPage::Text() const {
  std::vector<prometheus::MetricFamily> families;
  for (const Family& family : families_) {
    auto& out = families.emplace_back();
    out.name = family.name;
    out.help = family.help;
    out.type = family.counter ? prometheus::MetricType::Counter : prometheus::MetricType::Gauge;
    for (const Sample& sample : family.samples) {
      auto& metric = out.metric.emplace_back();
      for (const auto& [name, value] : sample.labels) metric.label.push_back({name, value});
      (family.counter ? metric.counter.value : metric.gauge.value) = sample.value;
    }
  }
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace slicelet
