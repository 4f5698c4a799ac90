// A gateway's IoT devices: from the files of a volume to its core-metadata.
#include "common/log/log.h"
#include "edge-agent/edgex/device_provisioner.h"
#include "edge-agent/pod/pod_worker.h"

namespace slicelet::agent {
namespace {

constexpr char kCoreMetadata[] = "core-metadata";

}  // namespace

void PodWorker::LoadDevices() {
  MetadataClient* client = shared_.dependencies.metadata;
  if (client == nullptr || !model_.gateway || model_.gateway->devices_volume().empty()) {
    devices_.reset();
    model_.devices.clear();
    return;
  }
  std::vector<v1::FileSet> sets;
  for (const auto& volume : model_.workload.volumes()) {
    if (volume.name() != model_.gateway->devices_volume()) continue;
    for (const auto& source : volume.projection().sources()) {
      if (!source.has_content()) continue;
      const absl::StatusOr<v1::FileSet> set = ReadContent(source.content().content_id());
      if (set.ok()) {
        sets.push_back(*set);
      } else if (!source.content().optional()) {
        // What is not known is not applied, and nothing is removed for it.
        LogWarning("IoT devices can not be read", {{"uid", uid_}, {"error", Describe(set.status())}});
        return;
      }
    }
  }
  if (!devices_) {
    devices_ = std::make_unique<DeviceProvisioner>(shared_.dependencies.loop, *client, [this] {
      model_.devices = devices_->results();
      // The model may be between two workloads now.
      shared_.dependencies.loop.Post(lifetime_.Guard([this] { Publish(); }));
    });
  }
  devices_->SetDevices(ReadIotDevices(sets));
}

void PodWorker::FollowCoreMetadata() {
  if (!devices_) return;
  const ContainerModel* container = model_.Find(kCoreMetadata);
  const bool ready = container != nullptr && container->fully_started() && container->ready_probe_passed &&
                     !model_.stop && !model_.record.has_terminal_phase();
  std::string address = model_.workload.host_network() ? shared_.options.host_ip : "";
  if (address.empty() && !model_.sandbox.ips.empty()) address = model_.sandbox.ips[0];
  if (!ready || address.empty()) return devices_->SetEndpoint(std::nullopt);
  devices_->SetEndpoint(MetadataClient::Endpoint{address, model_.gateway->core_metadata_port()});
}

}  // namespace slicelet::agent
