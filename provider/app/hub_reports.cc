#include "provider/app/hub_reports.h"

#include "provider/controllers/exporter.h"

namespace slicelet::provider {
namespace {

PlaceReport ReportOf(const Hub::Places& places) {
  PlaceReport report;
  for (const HostId& host : places.unheard) report.unheard.insert(host.value());
  for (const Hub::PodPlaces& pod : places.pods) {
    if (pod.decided) report.decided.insert(pod.uid.value());
    for (const auto& [host, place] : pod.hosts) {
      report.places.push_back({.pod_uid = pod.uid.value(),
                               .pod_name = pod.name,
                               .host = host.value(),
                               .targeted = place.targeted,
                               .superseded = place.superseded,
                               .image = place.image,
                               .ready = place.ready});
    }
  }
  return report;
}

}  // namespace

DeviceReports DeviceReportsOf(const Hub& hub) {
  return [&hub](const std::string& pod, const std::string& device) -> std::optional<DeviceReport> {
    const auto status = hub.DeviceOf(PodUid(pod), device);
    if (!status) return std::nullopt;
    DeviceReport said{.applied = status->applied(), .reason = status->reason(), .message = status->message()};
    if (const v1::DeviceReadings& held = status->readings(); status->has_readings()) {
      said.readings = {.count = held.count(), .newest = {}, .observed = FromUnixNanos(held.observed_at())};
      if (held.newest() > 0) said.readings->newest = FromUnixNanos(held.newest());
    }
    return said;
  };
}

PlaceReports PlaceReportsOf(const Hub& hub) {
  return [&hub](const std::string& ns, const std::string& prefix) {
    const auto known = hub.PlacesOf(ns, prefix, kExporter);
    return known ? std::make_optional(ReportOf(*known)) : std::nullopt;
  };
}

}  // namespace slicelet::provider
