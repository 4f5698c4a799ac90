#include "edge-agent/host/node_conditions.h"

#include <cstdlib>
#include <optional>
#include <sstream>

namespace slicelet::agent {
namespace {

constexpr std::uint64_t kProcLimit = std::uint64_t{64} * 1024;
/// The kubelet's default hard eviction thresholds.
constexpr std::uint64_t kLeastDiskPercent = 10;
constexpr std::uint64_t kLeastImagePercent = 15;
constexpr std::uint64_t kLeastMemoryKiB = std::uint64_t{100} * 1024;
constexpr std::uint64_t kMostPidsPercent = 90;

/// MemAvailable of /proc/meminfo in KiB.
std::optional<std::uint64_t> MemoryAvailable(FileSystem& files) {
  const auto text = files.Read("/proc/meminfo", kProcLimit);
  if (!text.ok()) return std::nullopt;
  const auto at = text->find("MemAvailable:");
  if (at == std::string::npos) return std::nullopt;
  return std::strtoull(text->c_str() + at + sizeof("MemAvailable:") - 1, nullptr, 10);
}

struct Pids {
  std::uint64_t used = 0;
  std::uint64_t most = 0;
};

std::optional<Pids> CountPids(FileSystem& files) {
  const auto load = files.Read("/proc/loadavg", kProcLimit);
  const auto most = files.Read("/proc/sys/kernel/pid_max", kProcLimit);
  if (!load.ok() || !most.ok()) return std::nullopt;
  // "0.00 0.01 0.05 1/234 5678": the fourth field is running/all.
  const auto slash = load->find('/');
  if (slash == std::string::npos) return std::nullopt;
  return Pids{std::strtoull(load->c_str() + slash + 1, nullptr, 10),
              std::strtoull(most->c_str(), nullptr, 10)};
}

}  // namespace

v1::Condition NodeConditions::Make(const std::string& type, bool status, const std::string& reason,
                                   const std::string& message) {
  auto [it, first] = last_.try_emplace(type);
  if (first || it->second.status != status) it->second = {status, ToUnixNanos(clock_.Now())};
  v1::Condition condition;
  condition.set_type(type);
  condition.set_status(status);
  condition.set_reason(reason);
  condition.set_message(message);
  condition.set_last_transition(it->second.since);
  return condition;
}

std::string NodeConditions::Shortage(const std::string& path, std::uint64_t percent, bool* measured) {
  const auto space = files_.FreeSpace(path);
  if (!space.ok() || space->total == 0) return "";
  *measured = true;
  if (space->available >= space->total / 100 * percent) return "";
  return "less than " + std::to_string(percent) + "% of the disk of " + path + " is free";
}

std::vector<v1::Condition> NodeConditions::Observe(const absl::StatusOr<RuntimeInfo>& runtime,
                                                   const std::string& image_root) {
  std::vector<v1::Condition> conditions;
  bool measured = false;
  std::string shortage = Shortage(root_, kLeastDiskPercent, &measured);
  if (shortage.empty() && !image_root.empty()) shortage = Shortage(image_root, kLeastImagePercent, &measured);
  if (measured) {
    const bool pressure = !shortage.empty();
    conditions.push_back(Make("DiskPressure", pressure,
                              pressure ? "KubeletHasDiskPressure" : "KubeletHasNoDiskPressure", shortage));
  }
  if (const auto available = MemoryAvailable(files_)) {
    const bool pressure = *available < kLeastMemoryKiB;
    conditions.push_back(Make("MemoryPressure", pressure,
                              pressure ? "KubeletHasInsufficientMemory" : "KubeletHasSufficientMemory",
                              pressure ? "less than 100Mi of memory is available" : ""));
  }
  if (const auto pids = CountPids(files_); pids && pids->most > 0) {
    const bool pressure = pids->used > pids->most / 100 * kMostPidsPercent;
    conditions.push_back(Make("PIDPressure", pressure,
                              pressure ? "KubeletHasInsufficientPID" : "KubeletHasSufficientPID",
                              pressure ? "more than 90% of the process ids are in use" : ""));
  }
  const bool ready = runtime.ok() && runtime->runtime_ready;
  const bool network = runtime.ok() && runtime->network_ready;
  const std::string why = runtime.ok() ? runtime->message : Message(runtime.status());
  conditions.push_back(
      Make("RuntimeReady", ready, ready ? "RuntimeIsUp" : "RuntimeIsDown", ready ? "" : why));
  conditions.push_back(Make("NetworkReady", network, network ? "NetworkIsReady" : "NetworkPluginNotReady",
                            network ? "" : why));
  return conditions;
}

}  // namespace slicelet::agent
