#include <algorithm>
#include <optional>

#include "common/base/shown_text.h"
#include "provider/translate/parts.h"

namespace slicelet::provider {
namespace {

/// EdgeX 4: the services' own defaults.
constexpr std::int32_t kCoreMetadataPort = 59881;
constexpr std::int32_t kCoreDataPort = 59880;

/// The first port of the container `name`, or `otherwise` when it names none; nullopt without such a
/// container.
std::optional<std::int32_t> PortOf(const v1::Workload& workload, const std::string& name,
                                   std::int32_t otherwise) {
  const auto container = std::ranges::find(workload.containers(), name, &v1::Container::name);
  if (container == workload.containers().end()) return std::nullopt;
  return container->ports().empty() ? otherwise : container->ports(0).container_port();
}

void TranslateGateway(FieldReader& annotations, Translation& out) {
  out.gateway.set_core_metadata_port(
      PortOf(out.workload, "core-metadata", kCoreMetadataPort).value_or(kCoreMetadataPort));
  out.gateway.set_core_data_port(PortOf(out.workload, "core-data", kCoreDataPort).value_or(0));
  if (!annotations.Has(kIotDevices)) return;
  const std::string name = annotations.String(kIotDevices);
  const auto& volumes = out.workload.volumes();
  const auto volume = std::ranges::find(volumes, name, &v1::Volume::name);
  if (volume == volumes.end() || !volume->has_projection()) {
    annotations.Refuse(
        kIotDevices,
        "is \"" + ShownText(name) + "\", should be a configMap, secret or projected volume of this pod",
        kInvalidAnnotation);
  }
  out.gateway.set_devices_volume(name);
}

void TranslateServer(Translation& out) {
  for (const auto& container : out.workload.containers()) {
    for (const auto& port : container.ports()) {
      if (port.name().empty()) continue;
      auto& endpoint = *out.server.add_endpoints();
      endpoint.set_name(port.name());
      endpoint.set_container(container.name());
      endpoint.set_port(port.container_port());
      endpoint.set_host_port(port.host_port());
      endpoint.set_protocol(port.protocol());
    }
  }
}

}  // namespace

void TranslateRole(FieldReader& annotations, Translation& out) {
  if (out.role == v1::ROLE_GATEWAY) TranslateGateway(annotations, out);
  if (out.role == v1::ROLE_SERVER) TranslateServer(out);
}

}  // namespace slicelet::provider
