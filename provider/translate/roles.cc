#include <algorithm>

#include "provider/translate/parts.h"

namespace slicelet::provider {
namespace {

/// EdgeX 4: core-metadata's own default.
constexpr std::int32_t kCoreMetadataPort = 59881;
constexpr char kCoreMetadata[] = "core-metadata";

void TranslateGateway(FieldReader& annotations, Translation& out) {
  const auto& containers = out.workload.containers();
  const auto metadata = std::ranges::find(containers, kCoreMetadata, &v1::Container::name);
  out.gateway.set_core_metadata_port(kCoreMetadataPort);
  if (metadata != containers.end() && !metadata->ports().empty()) {
    out.gateway.set_core_metadata_port(metadata->ports(0).container_port());
  }
  if (!annotations.Has(kIotDevices)) return;
  const std::string name = annotations.String(kIotDevices);
  const auto& volumes = out.workload.volumes();
  const auto volume = std::ranges::find(volumes, name, &v1::Volume::name);
  if (volume == volumes.end() || !volume->has_projection()) {
    annotations.Refuse(kIotDevices,
                       "is \"" + name + "\", should be a configMap, secret or projected volume of this pod",
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
