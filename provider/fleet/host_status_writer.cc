#include "provider/fleet/host_status_writer.h"

#include <set>
#include <utility>

#include "common/log/log.h"
#include "kube/object.h"

namespace slicelet::provider {
namespace {

using kube::Json;

constexpr char kReady[] = "Ready";
constexpr char kUnapproved[] = "Unapproved";
constexpr char kRevoked[] = "Revoked";
constexpr char kMaintenance[] = "Maintenance";

/// Condition Ready without its times.
struct Verdict {
  const char* status;
  std::string reason;
  std::string message;
};

/// What the operator's wish alone decides.
std::optional<Verdict> WishOf(const EdgeHost& host) {
  if (host.revoked) return Verdict{"False", kRevoked, "it is refused, because spec.revoked is true"};
  if (!host.approved)
    return Verdict{"False", kUnapproved, "it may not connect: set spec.approved to true, or delete it"};
  if (host.maintenance) {
    return Verdict{"False", kMaintenance,
                   "it keeps what it runs and gets nothing new, because spec.maintenance is true"};
  }
  return std::nullopt;
}

Verdict LinkOf(const HostStatus& status) {
  if (status.link == "Connected") return {"True", kReady, ""};
  // It was let in again since.
  static const std::set<std::string> kClosedForOperator = {"NotApproved", "Revoked", "Deleted"};
  if (kClosedForOperator.count(status.reason) != 0)
    return {"False", "NotConnected", "the host has not connected since it was approved"};
  return {"False", status.reason.empty() ? status.link : status.reason, status.message};
}

/// Null without one.
Json ReadyIn(const Json& status) {
  const Json* conditions = kube::Find(status, {"conditions"});
  if (conditions == nullptr || !conditions->is_array()) return {};
  for (const Json& condition : *conditions) {
    if (kube::TextAt(condition, {"type"}) == kReady) return condition;
  }
  return {};
}

std::string Text(const Generation& generation) {
  return std::to_string(generation.epoch) + "." + std::to_string(generation.number);
}

void Render(const HostStatus& status, Json& json) {
  json.update({{"link", status.link},
               {"reason", status.reason},
               {"agentVersion", status.agent_version},
               {"workloads", status.workloads},
               {"generation", Text(status.generation)},
               {"acceptedGeneration", Text(status.accepted)}});
  if (status.tags) json["hostTags"] = *status.tags;
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

/// A merge patch keeps the members of an object that it does not name.
Json PatchTo(Json wanted, const Json& written) {
  const Json* former = kube::Find(written, {"hostTags"});
  if (former == nullptr || !former->is_object() || !wanted.contains("hostTags")) return wanted;
  for (const auto& [tag, value] : former->items()) wanted["hostTags"].emplace(tag, nullptr);
  return wanted;
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
  Judge(write);
  Flush(host);
}

void HostStatusWriter::Learn(const HostId& host, const EdgeHost& wanted, const Json& object) {
  Write& write = Of(host);
  write.object = wanted;
  write.generation = kube::IntegerAt(object, {"metadata", "generation"}, 0);
  if (!write.under_way) {
    const Json* status = kube::Find(object, {"status"});
    write.written = status == nullptr ? Json() : *status;
  }
  Judge(write);
  Flush(host);
}

void HostStatusWriter::Judge(Write& write) const {
  if (write.ready.is_null()) write.ready = ReadyIn(write.written);
  const std::string former = kube::TextAt(write.ready, {"reason"});
  const bool by_link =
      !former.empty() && former != kUnapproved && former != kRevoked && former != kMaintenance;
  std::optional<Verdict> verdict = WishOf(write.object);
  if (!verdict && write.status) verdict = LinkOf(*write.status);
  // The hub has just started: what the object says is better than what we know.
  if (!verdict && by_link) return;
  if (!verdict) verdict = {"Unknown", "NotConnectedYet", "nothing is known of its link yet"};
  const bool same = kube::TextAt(write.ready, {"status"}) == verdict->status;
  Json ready = {{"type", kReady},
                {"status", verdict->status},
                {"reason", verdict->reason},
                {"message", verdict->message},
                {"lastTransitionTime",
                 same ? kube::TextAt(write.ready, {"lastTransitionTime"}) : FormatTime(clock_.Now())}};
  if (write.generation > 0) ready["observedGeneration"] = write.generation;
  write.ready = std::move(ready);
}

void HostStatusWriter::Flush(const HostId& host) {
  Write& write = Of(host);
  if (write.under_way || write.retry.armed()) return;
  Json wanted = Json::object();
  if (!write.ready.is_null()) {
    wanted["conditions"] = Json::array({write.ready});
    if (write.generation > 0) wanted["observedGeneration"] = write.generation;
  }
  if (write.status) Render(*write.status, wanted);
  if (Contains(write.written, wanted)) return;
  if (write.status && write.status->last_seen != 0)
    wanted["lastSeen"] = FormatTime(FromUnixNanos(write.status->last_seen));
  wanted = PatchTo(std::move(wanted), write.written);
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
    write.written.merge_patch(sent);
    return Flush(host);
  }
  // Deleted meanwhile: the registry hears of it.
  if (absl::IsNotFound(status)) return;
  LogWarning("cannot write the host's status", {{"host", host}, {"why", Describe(status)}});
  write.retry.Set(write.backoff.Next(), [this, host] { Flush(host); });
}

}  // namespace slicelet::provider
