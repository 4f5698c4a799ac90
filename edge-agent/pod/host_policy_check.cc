#include "edge-agent/pod/host_policy_check.h"

#include <algorithm>
#include <string>

#include "edge-agent/volumes/safe_path.h"

namespace slicelet::agent {
namespace {

v1::Refusal Deny(const std::string& field, const std::string& what, const std::string& rule) {
  v1::Refusal refusal;
  refusal.set_reason("HostPolicyDenied");
  refusal.set_field(field);
  refusal.set_message(field + ": " + what + " is denied by rule \"" + rule + "\" of this host's policy");
  return refusal;
}

std::optional<v1::Refusal> CheckHostPath(const HostPolicy& policy, const v1::HostPath& host_path,
                                         const std::string& field, FileSystem& files) {
  static constexpr char kRule[] = "hostPathPrefixes";
  const auto clean = CleanPath(host_path.path());
  if (!clean.ok()) return Deny(field, Message(clean.status()) + " and", kRule);
  const auto real = ResolveLinks(files, *clean);
  if (!real.ok()) return Deny(field, Message(real.status()) + " and", kRule);
  for (const auto& prefix : policy.host_path_prefixes) {
    const auto clean_prefix = CleanPath(prefix);
    if (!clean_prefix.ok() || !IsBelow(*clean, *clean_prefix)) continue;
    const auto real_prefix = ResolveLinks(files, *clean_prefix);
    if (real_prefix.ok() && IsBelow(*real, *real_prefix)) return std::nullopt;
  }
  const std::string through = *real == *clean ? "" : " (through links " + *real + ")";
  return Deny(field, "host path " + *clean + through, kRule);
}

}  // namespace

std::optional<v1::Refusal> CheckHostPolicy(const HostPolicy& policy, const v1::Workload& workload,
                                           FileSystem& files) {
  if (workload.host_network() && !policy.host_network) {
    return Deny("spec.hostNetwork", "the host's network namespace", "hostNetwork");
  }
  if (workload.host_pid() && !policy.host_pid) {
    return Deny("spec.hostPID", "the host's process namespace", "hostPID");
  }
  if (workload.host_ipc() && !policy.host_ipc)
    return Deny("spec.hostIPC", "the host's IPC namespace", "hostIPC");
  const auto check = [&](const auto& containers, const std::string& list) -> std::optional<v1::Refusal> {
    for (int i = 0; i < containers.size(); ++i) {
      if (containers[i].security().privileged() && !policy.privileged) {
        return Deny("spec." + list + "[" + std::to_string(i) + "].securityContext.privileged",
                    "a privileged container", "privileged");
      }
    }
    return std::nullopt;
  };
  if (auto refusal = check(workload.init_containers(), "initContainers")) return refusal;
  if (auto refusal = check(workload.containers(), "containers")) return refusal;
  for (int i = 0; i < workload.volumes_size(); ++i) {
    if (!workload.volumes(i).has_host_path()) continue;
    const std::string field = "spec.volumes[" + std::to_string(i) + "].hostPath.path";
    if (auto refusal = CheckHostPath(policy, workload.volumes(i).host_path(), field, files)) return refusal;
  }
  return std::nullopt;
}

}  // namespace slicelet::agent
