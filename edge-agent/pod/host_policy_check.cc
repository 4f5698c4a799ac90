#include "edge-agent/pod/host_policy_check.h"

#include <algorithm>
#include <set>
#include <string>

#include "common/base/shown_text.h"
#include "edge-agent/pod/capabilities.h"
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

/// Whether a path that could not be followed can be judged all the same. A disk or a mount that does not
/// answer says nothing of what the owner allows.
bool IsVerdict(const absl::Status& status) {
  return absl::IsInvalidArgument(status) || absl::IsPermissionDenied(status) || absl::IsNotFound(status);
}

/// What can not be judged now is not denied, which would end a running pod for good: it is judged again
/// before every mount.
std::optional<v1::Refusal> CheckHostPath(const HostPolicy& policy, const v1::HostPath& host_path,
                                         const std::string& field, FileSystem& files) {
  static constexpr char kRule[] = "hostPathPrefixes";
  const auto clean = CleanPath(host_path.path());
  if (!clean.ok()) return Deny(field, Message(clean.status()) + " and", kRule);
  const auto real = ResolveLinks(files, *clean);
  if (!real.ok() && IsVerdict(real.status())) return Deny(field, Message(real.status()) + " and", kRule);
  bool unknown = false;
  for (const auto& prefix : policy.host_path_prefixes) {
    const auto clean_prefix = CleanPath(prefix);
    if (!clean_prefix.ok() || !IsBelow(*clean, *clean_prefix)) continue;
    if (!real.ok()) return std::nullopt;
    const auto real_prefix = ResolveLinks(files, *clean_prefix);
    if (real_prefix.ok() && IsBelow(*real, *real_prefix)) return std::nullopt;
    unknown = unknown || (!real_prefix.ok() && !IsVerdict(real_prefix.status()));
  }
  if (unknown) return std::nullopt;
  const std::string through = !real.ok() || *real == *clean ? "" : " (through links " + *real + ")";
  return Deny(field, "host path " + *clean + through, kRule);
}

/// Kernel parameters that a pod has of its own, as runc and the kubelet see them.
bool IsOwnSysctl(const v1::Workload& workload, const std::string& sysctl) {
  static const std::set<std::string> kOfIpc = {"kernel.msgmax", "kernel.msgmnb",         "kernel.msgmni",
                                               "kernel.sem",    "kernel.shmall",         "kernel.shmmax",
                                               "kernel.shmmni", "kernel.shm_rmid_forced"};
  std::string name = sysctl;
  std::replace(name.begin(), name.end(), '/', '.');
  if (name.find("..") != std::string::npos) return false;
  if (name.starts_with("net.")) return !workload.host_network();
  return (kOfIpc.count(name) != 0 || name.starts_with("fs.mqueue.")) && !workload.host_ipc();
}

/// What belongs to the pod as a whole.
std::optional<v1::Refusal> CheckPod(const HostPolicy& policy, const v1::Workload& workload) {
  if (workload.host_network() && !policy.host_network)
    return Deny("spec.hostNetwork", "the host's network namespace", "hostNetwork");
  if (workload.host_pid() && !policy.host_pid)
    return Deny("spec.hostPID", "the host's process namespace", "hostPid");
  if (workload.host_ipc() && !policy.host_ipc)
    return Deny("spec.hostIPC", "the host's IPC namespace", "hostIpc");
  if (policy.privileged) return std::nullopt;
  if (workload.security().seccomp().profile() == v1::Seccomp::UNCONFINED && !policy.unconfined)
    return Deny("spec.securityContext.seccompProfile", "a pod without a seccomp profile", "unconfined");
  for (const auto& [name, value] : workload.security().sysctls()) {
    if (IsOwnSysctl(workload, name)) continue;
    return Deny("spec.securityContext.sysctls",
                "kernel parameter " + ShownText(name) + ", which is not the pod's own,", "privileged");
  }
  return std::nullopt;
}

std::optional<v1::Refusal> CheckContainer(const HostPolicy& policy, const v1::Container& container,
                                          const std::string& field) {
  for (int i = 0; i < container.ports_size(); ++i) {
    const int port = container.ports(i).host_port();
    if (port <= 0 || policy.host_ports) continue;
    return Deny(field + ".ports[" + std::to_string(i) + "].hostPort", "port " + std::to_string(port),
                "hostPorts");
  }
  // Such a container has every way out.
  if (policy.privileged) return std::nullopt;
  const v1::ContainerSecurity& security = container.security();
  const std::string context = field + ".securityContext.";
  if (security.privileged()) return Deny(context + "privileged", "a privileged container", "privileged");
  for (const auto& added : security.add_capabilities()) {
    const std::string name = CapabilityName(added);
    if (IsGivenAnyway(name) || policy.capabilities.count(name) != 0 || policy.capabilities.count("ALL") != 0)
      continue;
    return Deny(context + "capabilities.add", "capability " + ShownText(name), "capabilities");
  }
  if (security.seccomp().profile() == v1::Seccomp::UNCONFINED && !policy.unconfined)
    return Deny(context + "seccompProfile", "a container without a seccomp profile", "unconfined");
  for (int i = 0; i < container.mounts_size(); ++i) {
    if (container.mounts(i).propagation() != v1::Mount::BIDIRECTIONAL) continue;
    return Deny(field + ".volumeMounts[" + std::to_string(i) + "].mountPropagation",
                "a mount that is seen on the host", "privileged");
  }
  return std::nullopt;
}

}  // namespace

std::optional<v1::Refusal> CheckHostPolicy(const HostPolicy& policy, const v1::Workload& workload,
                                           FileSystem& files) {
  if (auto refusal = CheckPod(policy, workload)) return refusal;
  const auto check = [&](const auto& containers, const std::string& list) -> std::optional<v1::Refusal> {
    for (int i = 0; i < containers.size(); ++i) {
      const std::string field = "spec." + list + "[" + std::to_string(i) + "]";
      if (auto refusal = CheckContainer(policy, containers[i], field)) return refusal;
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
