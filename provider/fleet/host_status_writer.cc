#include "provider/fleet/host_status_writer.h"

#include <utility>

#include "common/log/log.h"
#include "kube/object.h"

namespace slicelet::provider {
namespace {

using kube::Json;

std::string Text(const Generation& generation) {
  return std::to_string(generation.epoch) + "." + std::to_string(generation.number);
}

Json Render(const HostStatus& status) {
  Json json = {{"link", status.link},
               {"reason", status.reason},
               {"agentVersion", status.agent_version},
               {"workloads", status.workloads},
               {"generation", Text(status.generation)},
               {"acceptedGeneration", Text(status.accepted)}};
  const v1::NodeFacts& facts = status.facts;
  if (!facts.address().empty()) json["address"] = facts.address();
  if (facts.cpu_milli() > 0) {
    json["capacity"] = {{"cpu", std::to_string(facts.cpu_milli()) + "m"},
                        {"memory", std::to_string(facts.memory_bytes())},
                        {"ephemeral-storage", std::to_string(facts.ephemeral_storage_bytes())},
                        {"pods", std::to_string(facts.pods())}};
    json["nodeInfo"] = {{"kernelVersion", facts.kernel_version()},
                        {"osImage", facts.os_image()},
                        {"architecture", facts.architecture()},
                        {"containerRuntimeVersion", facts.container_runtime_version()}};
  }
  return json;
}

// What is not known now (a host that has not connected yet) stays as it was written.
bool Contains(const Json& written, const Json& wanted) {
  if (!written.is_object()) return false;
  for (const auto& [key, value] : wanted.items()) {
    const auto it = written.find(key);
    if (it == written.end() || *it != value) return false;
  }
  return true;
}

}  // namespace

HostStatusWriter::Write& HostStatusWriter::Of(const HostId& host) {
  std::unique_ptr<Write>& write = writes_[host];
  if (!write) write = std::make_unique<Write>(loop_, random_);
  return *write;
}

void HostStatusWriter::Set(const HostId& host, const HostStatus& status) {
  Write& write = Of(host);
  write.status = status;
  write.wanted = true;
  Flush(host);
}

void HostStatusWriter::Learn(const HostId& host, const Json& object) {
  Write& write = Of(host);
  if (write.under_way) return;
  const Json* status = kube::Find(object, {"status"});
  write.written = status == nullptr ? Json() : *status;
  Flush(host);
}

void HostStatusWriter::Flush(const HostId& host) {
  Write& write = Of(host);
  if (!write.wanted || write.under_way || write.retry.armed()) return;
  Json wanted = Render(write.status);
  if (Contains(write.written, wanted)) return;
  if (write.status.last_seen != 0) wanted["lastSeen"] = FormatTime(FromUnixNanos(write.status.last_seen));
  write.under_way = true;
  api_.Patch({kube::kEdgeHosts, ns_, host.value(), "status"}, kube::PatchType::kMerge, {{"status", wanted}},
             lifetime_.Guard([this, host, wanted](const absl::StatusOr<Json>& result) {
               OnWritten(host, wanted, result.status());
             }));
}

void HostStatusWriter::OnWritten(const HostId& host, const Json& sent, const absl::Status& status) {
  const auto it = writes_.find(host);
  if (it == writes_.end()) return;
  Write& write = *it->second;
  write.under_way = false;
  if (status.ok()) {
    write.backoff.Reset();
    if (!write.written.is_object()) write.written = Json::object();
    write.written.update(sent);
    return Flush(host);
  }
  // Deleted meanwhile: the registry hears of it.
  if (absl::IsNotFound(status)) return;
  LogWarning("cannot write the host's status", {{"host", host}, {"why", Describe(status)}});
  write.retry.Set(write.backoff.Next(), [this, host] { Flush(host); });
}

}  // namespace slicelet::provider
