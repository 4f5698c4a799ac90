// A gateway's IoT devices: from the files of a volume to its core-metadata, and what its core-data holds of
// them.
#include "common/log/log.h"
#include "edge-agent/edgex/device_provisioner.h"
#include "edge-agent/edgex/reading_counter.h"
#include "edge-agent/pod/pod_worker.h"

namespace slicelet::agent {
namespace {

constexpr char kCoreMetadata[] = "core-metadata";
constexpr char kCoreData[] = "core-data";

}  // namespace

void PodWorker::LoadDevices() {
  devices_unread_ = false;
  EdgexClient* client = shared_.dependencies.edgex;
  if (client == nullptr || !model_.gateway || model_.gateway->devices_volume().empty()) {
    devices_.reset();
    readings_.reset();
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
        devices_unread_ = true;
        LogWarning("IoT devices can not be read", {{"uid", uid_}, {"error", Describe(set.status())}});
        return;
      }
    }
  }
  const PodSupervisor::Dependencies& with = shared_.dependencies;
  if (!devices_) {
    devices_ = std::make_unique<DeviceProvisioner>(with.loop, *client, [this] { ShowDevices(); });
    readings_ = std::make_unique<ReadingCounter>(with.loop, with.clock, *client,
                                                 shared_.options.readings_period, [this] { ShowDevices(); });
  }
  std::vector<IotDevice> devices = ReadIotDevices(sets);
  std::set<std::string> names;
  for (const IotDevice& device : devices) {
    if (device.error.empty()) names.insert(device.name);
  }
  devices_->SetDevices(std::move(devices));
  readings_->SetDevices(names);
}

void PodWorker::ShowDevices() {
  model_.devices = devices_->results();
  for (v1::DeviceStatus& device : model_.devices) {
    const auto readings = readings_->readings().find(device.name());
    if (readings != readings_->readings().end()) *device.mutable_readings() = readings->second;
  }
  // The model may be between two workloads now.
  shared_.dependencies.loop.Post(lifetime_.Guard([this] { Publish(); }));
}

std::optional<EdgexClient::Endpoint> PodWorker::EdgexEndpoint(const std::string& name,
                                                              std::int32_t port) const {
  const ContainerModel* container = model_.Find(name);
  const bool ready = container != nullptr && container->fully_started() && container->ready_probe_passed &&
                     !model_.stop && !model_.record.has_terminal_phase();
  const std::optional<CheckHost> host = FindCheckHost(shared_.options.host_ip);
  if (!ready || !host || host->address.empty() || port == 0) return std::nullopt;
  return EdgexClient::Endpoint{host->address, port};
}

void PodWorker::FollowEdgex() {
  if (!devices_) return;
  devices_->SetEndpoint(EdgexEndpoint(kCoreMetadata, model_.gateway->core_metadata_port()));
  readings_->SetEndpoint(EdgexEndpoint(kCoreData, model_.gateway->core_data_port()));
}

}  // namespace slicelet::agent
